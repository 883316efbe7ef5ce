using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <summary>Linear scaling and YaRN, in both formats, against the forward pass in double precision with the frequencies of the formula.</summary>
public sealed class RopeScalingTests : IDisposable
{
    private const int HeadDim = 16;
    private const double Theta = 10_000;
    private static readonly int[] EveryLayer = [0, BiasedModel.Config.Layers];
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 40).Select(i => 3 + (i * 37 % 150))];

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string, double, double, double, double> HuggingFace => new()
    {
        { """ "rope_scaling": {"type": "linear", "factor": 3} """, 3, 0, 0, 1 },
        { """ "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 64} """, 4, 32, 1, 1.1386294361119891 },
        { """ "rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4, "original_max_position_embeddings": 64, "attention_factor": 0.5} """, 4, 32, 1, 0.5 },
        { """ "rope_scaling": {"type": "yarn", "original_max_position_embeddings": 64, "beta_fast": 8, "beta_slow": 0.5} """, 4, 8, 0.5, 1.1386294361119891 },
        { """ "rope_scaling": {"type": "yarn", "factor": 4, "mscale": 0.707, "mscale_all_dim": 1.5}, "original_max_position_embeddings": 64 """, 4, 32, 1, 0.9089915353640435 },
    };

    public static TheoryData<string, double, double, double> Gguf => new()
    {
        { "llama.rope.scaling.original_context_length=64", 32, 1, 1.1386294361119891 },
        { "llama.rope.scaling.original_context_length=64 llama.rope.scaling.attn_factor=0.5", 32, 1, 0.5693147180559945 },
        { "llama.rope.scaling.original_context_length=64 llama.rope.scaling.yarn_log_multiplier=0.5 llama.rope.scaling.yarn_ext_factor=-1", 32, 1, 1.0648216253695715 },
        { "llama.rope.scaling.original_context_length=64 llama.rope.scaling.yarn_beta_fast=8 llama.rope.scaling.yarn_beta_slow=0.5", 8, 0.5, 1.1386294361119891 },
    };

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(HuggingFace))]
    public void Logits_ScaledFrequencies_AreThoseOfTheFormulaAlsoWhenConverted(
        string fields, double factor, double betaFast, double betaSlow, double magnitude)
    {
        string path = folder["model"];
        BiasedModel.WriteHuggingFace(path, BiasedModel.Tensors, $", {fields}");
        double[][] expected = Expected(factor, betaFast, betaSlow, magnitude);
        AreThose(expected, path);
        AreThose(expected, TinyGguf.Convert(folder, path, ElementType.F32));
    }

    [Theory]
    [MemberData(nameof(Gguf))]
    public void Logits_GgufKeysOfYarn_AreObeyed(string keys, double betaFast, double betaSlow, double magnitude)
    {
        string path = folder["yarn.gguf"];
        BiasedModel.WriteGguf(
            path,
            BiasedModel.GgufTensors(),
            null,
            [
                new("llama.rope.scaling.type", "yarn"), new("llama.rope.scaling.factor", 4f),
                .. keys.Split(' ').Select(pair => pair.Split('=')).Select(pair => new KeyValuePair<string, object>(
                    pair[0],
                    pair[0].EndsWith("length", StringComparison.Ordinal) ? int.Parse(pair[1], null) : (object)float.Parse(pair[1], null))),
            ]);
        AreThose(Expected(4, betaFast, betaSlow, magnitude), path);
    }

    [Fact]
    public void Open_YarnThatExtrapolatesInPart_IsRefused()
    {
        string path = folder["yarn.gguf"];
        BiasedModel.WriteGguf(
            path, BiasedModel.GgufTensors(), null, new("llama.rope.scaling.type", "yarn"), new("llama.rope.scaling.yarn_ext_factor", 0.5f));
        Assert.Contains("llama.rope.scaling.yarn_ext_factor: found 0.5, expected 1", CheckpointReading.Refusal(path));
    }

    /// <summary>Values that transformers' formula gives in double precision.</summary>
    [Fact]
    public void Factors_OfHeadsOf128_AreTransformers()
    {
        var llama2 = new YarnScaling { Factor = 16, OriginalContext = 4096 };
        AreFrequencies(
            llama2.Factors("config.json", 128, 10_000),
            10_000,
            (20, 0.056234132519034905), (25, 0.02244714171356123), (30, 0.00852684377296741), (45, 0.00015177160473182487), (46, 8.334508951020775e-05));
        var llama3 = new YarnScaling { Factor = 4, OriginalContext = 8192, BetaFast = 64, BetaSlow = 2, Truncate = false };
        AreFrequencies(
            llama3.Factors("config.json", 128, 500_000),
            500_000,
            (20, 0.012666390112055857), (25, 0.0032258402661405144), (30, 0.0006844083265232506), (40, 6.856204391905182e-05), (63, 6.137851977829022e-07));
    }

    private static void AreFrequencies(RopeFactors factors, double theta, params ReadOnlySpan<(int Pair, double Frequency)> expected)
    {
        foreach ((int pair, double frequency) in expected)
            Assert.Equal(1, Math.Pow(theta, -2.0 * pair / 128) / factors[pair] / frequency, 2e-7);
    }

    private static void AreThose(double[][] expected, string path)
    {
        using var runner = new ForwardRunner(path, EveryLayer);
        float[][] found = runner.Logits(Tokens, 7);
        double greatest = 0;
        for (int i = 0; i < found.Length; i++)
        {
            for (int token = 0; token < found[i].Length; token++) greatest = Math.Max(greatest, Math.Abs(expected[i][token] - found[i][token]));
        }

        Assert.InRange(greatest, 0, 2e-4);
    }

    /// <summary>The formula as transformers 5 has it, without a step shared with the loader; plain division where nothing rotates fast.</summary>
    private static double[][] Expected(double factor, double betaFast, double betaSlow, double magnitude)
    {
        const int Original = 64;
        double low = Math.Max(0, Math.Floor(Turning(betaFast))), high = Math.Min(HeadDim - 1, Math.Ceiling(Turning(betaSlow)));
        var reference = new ReferenceForward(BiasedModel.Config, BiasedModel.Tensors, Frequency, magnitude);
        return [.. Tokens.Select(reference.Next)];

        static double Turning(double rotations) => HeadDim * Math.Log(Original / (rotations * 2 * Math.PI)) / (2 * Math.Log(Theta));

        double Frequency(int pair)
        {
            double plain = Math.Pow(Theta, -2.0 * pair / HeadDim);
            if (betaFast == 0) return plain / factor;
            double ramp = Math.Clamp((pair - low) / (high - low), 0, 1);
            return (plain / factor * ramp) + (plain * (1 - ramp));
        }
    }
}
