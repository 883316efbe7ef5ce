using Llama.Model.Checkpoints;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Meta;

public class MetaConfigTests
{
    private const string Fields = """
        "dim": 64, "n_layers": 3, "n_heads": 4, "multiple_of": 32, "norm_eps": 1e-05, "vocab_size": 336
        """;

    [Theory]
    [InlineData("""{"n_layers": 3, "n_heads": 4}""", "dim: not there")]
    [InlineData("""{"dim": "64"}""", "dim: found \"64\", expected a whole number from 1 to 1048576")]
    [InlineData("""{"dim": 64.5}""", "dim: found 64.5, expected a whole number")]
    [InlineData("""{"dim": -64}""", "dim: found -64")]
    [InlineData("""{"dim": 99999999999999999999}""", "dim: found 99999999999999999999")]
    [InlineData("""{"dim": {}}""", "dim: found an object")]
    [InlineData("""{"dim": 64, "n_layers": 100000, "n_heads": 4}""", "n_layers: found 100000, expected a whole number from 1 to 1000")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "n_kv_heads": 3, "vocab_size": 9}""", "found 3 key and value heads, expected a divisor of the 4 query heads")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 5, "vocab_size": 9}""", "found width 64 and 5 heads")]
    [InlineData("""{"dim": 12, "n_layers": 3, "n_heads": 4, "vocab_size": 9}""", "found heads of width 3, expected an even number")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "norm_eps": 0}""", "norm_eps: found 0")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "norm_eps": 1e-60}""", "norm_eps: found 1e-60")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "rope_theta": -1}""", "rope_theta: found -1")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "use_scaled_rope": "yes"}""", "use_scaled_rope: found \"yes\", expected true or false")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "vocab_size": 0}""", "vocab_size: found 0")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "vocab_size": -1}""", "vocab_size: found -1, expected the number of tokens, because no consolidated.00.pth is there")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "vocab_size": 9, "ffn_dim_multiplier": 1e3, "multiple_of": 4194304}""", null)]
    [InlineData("""{"dim": 1048576, "n_layers": 3, "n_heads": 4, "vocab_size": 9, "ffn_dim_multiplier": 1e3}""", "ffn_dim_multiplier: found 1e3")]
    [InlineData("""{"dim": 64, "n_layers": 3, "n_heads": 4, "quantization_args": {}}""", "quantization_args: found an object")]
    [InlineData("""[1]""", "found a list, expected a JSON object")]
    [InlineData("""{"dim": 64,""", "found no valid JSON")]
    [InlineData("", "found no valid JSON")]
    public void Open_ImpossibleParameter_IsNamedWithWhatWasExpected(string parameters, string? expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["params.json"], parameters);
        if (expected is null)
        {
            using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
            Assert.Equal(4_194_304, checkpoint.Config.HiddenDim);
            return;
        }

        string message = CheckpointReading.Refusal(folder.Path);
        Assert.Contains(expected, message);
        Assert.Contains(folder.Path, message);
    }

    [Fact]
    public void Open_Defaults_AreMetas()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["params.json"], """{"dim": 512, "n_layers": 2, "n_heads": 8, "vocab_size": 1000, "n_kv_heads": null}""");
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        ModelConfig config = checkpoint.Config;
        Assert.Equal((8, 64, 1536), (config.KvHeads, config.HeadDim, config.HiddenDim));
        Assert.Equal((1e-5f, 10_000.0, 2048), (config.NormEps, config.RopeTheta, config.ContextLength));
        Assert.Equal(["Context length 2048 assumed: params.json does not say; set --context."], checkpoint.Assumptions);
    }

    [Theory]
    [InlineData("""{FIELDS, "use_scaled_rope": true}""", 131_072)]
    [InlineData("""{FIELDS, "rope_theta": 1000000}""", 16_384)]
    [InlineData("""{FIELDS, "rope_theta": 500000}""", 8192)]
    [InlineData("""{FIELDS, "rope_theta": 20000}""", 2048)]
    [InlineData("""{FIELDS, "rope_theta": 20000, "max_seq_len": 333}""", 333)]
    public void Open_NoReleasedShape_AssumesContextFromWhatIsThere(string parameters, int context)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["params.json"], parameters.Replace("FIELDS", Fields, StringComparison.Ordinal));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(context, checkpoint.Config.ContextLength);
        Assert.Equal(context != 333, checkpoint.Assumptions.Any(text => text.StartsWith("Context length", StringComparison.Ordinal)));
    }

    [Fact]
    public void Open_Options_GoBeforeWhatIsAssumed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["params.json"], $$"""{{{Fields}}, "use_scaled_rope": true}""");
        using Checkpoint checkpoint = Checkpoint.Open(folder.Path, new CheckpointOptions { ContextLength = 77, RopeFactor = 16 });
        Assert.Equal(77, checkpoint.Config.ContextLength);
        Assert.Equal(new RopeScaling(16, 1, 4, 8192), checkpoint.Config.RopeScaling);
        Assert.Empty(checkpoint.Assumptions);
        Assert.Contains("--context: found 0", CheckpointReading.Refusal(folder.Path, new() { ContextLength = 0 }));
        Assert.Contains("--rope-factor: found NaN", CheckpointReading.Refusal(folder.Path, new() { RopeFactor = float.NaN }));
        File.WriteAllText(folder["params.json"], $"{{{Fields}}}");
        Assert.Contains("does not scale rotary frequencies", CheckpointReading.Refusal(folder.Path, new() { RopeFactor = 8 }));
    }
}
