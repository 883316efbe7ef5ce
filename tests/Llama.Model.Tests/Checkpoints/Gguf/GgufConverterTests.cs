using System.Text.Json;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Gguf;

public class GgufConverterTests
{
    public static TheoryData<string> Checkpoints => GoldenResults.Checkpoints();

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Convert_ToF32AndF16_KeepsTheGreedyTokens(string name)
    {
        string source = GoldenResults.Folder(name);
        (int[] prompt, int[] expected) = Greedy(source, name);
        using var folder = new TemporaryFolder();
        foreach (ElementType type in (ElementType[])[ElementType.F32, ElementType.F16])
        {
            using var runner = new ForwardRunner(TinyGguf.Convert(folder, source, type), [0, Layers(source)]);
            Assert.Equal(expected, runner.Greedy(prompt, expected.Length));
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Convert_ToQ8_0_KeepsTheLogitsWithinAHundredthOfTheirSpread(string name)
    {
        string source = GoldenResults.Folder(name);
        GoldenResults golden = GoldenResults.Read(Path.Combine(source, "..", "golden.json"));
        using var folder = new TemporaryFolder();
        using var runner = new ForwardRunner(TinyGguf.Convert(folder, source, ElementType.Q8_0), [0, Layers(source)]);
        float[][] logits = runner.Logits(golden.Tokens, golden.Tokens.Length);
        double errors = 0, spreads = 0;
        for (int position = 0; position < logits.Length; position++)
        {
            spreads += golden.Logits[position].Max() - golden.Logits[position].Min();
            errors += golden.Logits[position].Zip(logits[position], (expected, found) => MathF.Abs(expected - found)).Average();
        }

        Assert.InRange(errors / spreads, 1e-6, 0.01);
    }

    [Fact]
    public void Convert_Q8_0_HasTheSameBitsForEveryCutChunkAndThreadCount()
    {
        using var folder = new TemporaryFolder();
        string source = Path.Combine(TestPaths.Fixtures, "llama-2-gqa", "meta");
        string file = TinyGguf.Convert(folder, source, ElementType.Q8_0);
        int[] tokens = GoldenResults.Read(Path.Combine(source, "..", "golden.json")).Tokens;
        float[][]? expected = null;
        foreach ((int[] cut, int chunk, int threads) in new[] { (new[] { 0, 4 }, tokens.Length, 1), ([0, 1, 4], 1, 2), ([0, 2, 3, 4], 7, 1) })
        {
            using var runner = new ForwardRunner(file, cut, threads);
            float[][] logits = runner.Logits(tokens, chunk);
            expected ??= logits;
            Assert.Equal(expected, logits);
        }
    }

    [Fact]
    public void Convert_ShippedModelToQ4_K_FallsBackAsInLlamaCpp()
    {
        using var folder = new TemporaryFolder();
        string file = TinyGguf.Convert(folder, TestPaths.TinyStories, ElementType.Q4_K);
        using Checkpoint checkpoint = CheckpointReading.Open(file);
        ModelConfig config = checkpoint.Config;
        Assert.Equal(ElementType.Q4_K, checkpoint.WeightType);
        Assert.Equal(ElementType.Q5_0, checkpoint.OpenMatrix(TensorNames.Wq(0), config.QueryDim, config.Dim).Type);
        Assert.Equal(ElementType.Q5_0, checkpoint.OpenMatrix(TensorNames.W2(0), config.Dim, config.HiddenDim).Type);
        Assert.Equal(ElementType.F16, GgufLayout.TypeFor(ElementType.Q4_K, 48));
        Assert.Equal(ElementType.Q4_K, GgufLayout.TypeFor(ElementType.Q4_K, 512));
        Assert.Equal(ElementType.Q5_1, GgufLayout.TypeFor(ElementType.Q5_K, 96));
        Assert.Equal(ElementType.Q8_0, GgufLayout.TypeFor(ElementType.Q6_K, 96));
        Assert.Equal(ElementType.F16, GgufLayout.TypeFor(ElementType.Q4_0, 48));
    }

    [Fact]
    public void Convert_ShippedModelToF32_KeepsConfigurationTokensAndText()
    {
        using var folder = new TemporaryFolder();
        string file = TinyGguf.Convert(folder, TestPaths.TinyStories, ElementType.F32);
        using Checkpoint source = CheckpointReading.Open(TestPaths.TinyStories);
        using Checkpoint found = CheckpointReading.Open(file);
        Assert.Equal(ModelFingerprint.Of(source.Config), ModelFingerprint.Of(found.Config));
        Assert.Equal(source.Config.EndTokens, found.Config.EndTokens);
        Assert.Equal(source.Config with { EndTokens = [] }, found.Config with { EndTokens = [] });

        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestPaths.TinyStories, "golden.json")));
        using var runner = new ForwardRunner(file, [0, 6]);
        foreach (JsonElement golden in json.RootElement.EnumerateArray())
        {
            int[] prompt = golden.GetProperty("tokens").Deserialize<int[]>()!;
            int[] expected = golden.GetProperty("greedy").Deserialize<int[]>()!;
            Assert.Equal(expected, runner.Greedy(prompt, expected.Length));
        }
    }

    [Fact]
    public void Convert_Gguf_ConvertsAgain()
    {
        using var folder = new TemporaryFolder();
        string first = TinyGguf.Convert(folder, TestPaths.TinyStories, ElementType.F32);
        string second = TinyGguf.Convert(folder, first, ElementType.Q8_0);
        string direct = folder["direct.gguf"];
        File.Move(second, direct);
        File.Move(first, folder["tinystories.gguf"]);
        string again = TinyGguf.Convert(folder, TestPaths.TinyStories, ElementType.Q8_0);
        using var expected = new GgufFile(again);
        using var found = new GgufFile(direct);
        Assert.Equal(File.ReadAllBytes(again)[(int)expected.DataStart..], File.ReadAllBytes(direct)[(int)found.DataStart..]);
    }

    [Fact]
    public void Convert_Cancelled_LeavesNoFile()
    {
        using var folder = new TemporaryFolder();
        Assert.ThrowsAny<OperationCanceledException>(() => GgufConverter.Convert(
            TestPaths.TinyStories, ElementType.F16, folder["out.gguf"], new Progress<GgufProgress>(), new CancellationToken(true)));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private static int Layers(string folder)
    {
        using Checkpoint checkpoint = CheckpointReading.Open(folder);
        return checkpoint.Config.Layers;
    }

    private static (int[] Prompt, int[] Expected) Greedy(string folder, string name)
    {
        if (!name.StartsWith("stories260K", StringComparison.Ordinal))
        {
            GoldenResults golden = GoldenResults.Read(Path.Combine(folder, "..", "golden.json"));
            return (golden.Tokens, golden.Greedy);
        }

        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "..", "greedy.json")));
        return (json.RootElement.GetProperty("tokens").Deserialize<int[]>()!, json.RootElement.GetProperty("greedy_tokens").Deserialize<int[]>()!);
    }
}
