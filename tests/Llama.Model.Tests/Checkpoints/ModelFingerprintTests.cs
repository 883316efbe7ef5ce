using System.Globalization;
using Llama.Model.Checkpoints;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

public class ModelFingerprintTests
{
    [Fact]
    public void Of_ShippedModel_IsTheSameEverywhere()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            culture.NumberFormat.NumberDecimalSeparator = ",";
            culture.NumberFormat.NegativeSign = "minus";
            CultureInfo.CurrentCulture = culture;
            Assert.Equal("10f6bb6423bcd39d5c8b5d9d3f2a0cb8447069fcc1c9091d41629f829f1a4958", ModelFingerprint.Of(ShippedConfig()));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void Of_AnythingThatChangesLogits_IsAnother()
    {
        ModelConfig config = ShippedConfig();
        ModelConfig[] others =
        [
            config with { Dim = 256 },
            config with { Layers = 7 },
            config with { Heads = 8 },
            config with { KvHeads = 4 },
            config with { HeadDim = 64 },
            config with { HiddenDim = 512 },
            config with { VocabSize = 1000 },
            config with { NormEps = 1e-6f },
            config with { RopeTheta = 5e5 },
            config with { RopeScaling = new RopeScaling(8, 1, 4, 8192) },
            config with { RopeScaling = new RopeScaling(32, 1, 4, 8192) },
            config with { RopeFactors = new RopeFactors([1, 8]) },
            config with { RopeFactors = new RopeFactors([2, 8]) },
            config with { RopeMagnitude = 1.25f },
            config with { RotaryLayout = RotaryLayout.Halves },
        ];
        Assert.Equal(others.Length + 1, others.Append(config).Select(ModelFingerprint.Of).Distinct().Count());
    }

    [Fact]
    public void Of_ContextAndSpecialTokens_DoNotMatter()
    {
        ModelConfig config = ShippedConfig();
        Assert.Equal(ModelFingerprint.Of(config), ModelFingerprint.Of(config with { ContextLength = 1, EndTokens = [7] }));
    }

    private static ModelConfig ShippedConfig()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(TestPaths.TinyStories);
        return checkpoint.Config;
    }
}
