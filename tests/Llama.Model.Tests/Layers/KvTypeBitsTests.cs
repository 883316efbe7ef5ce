using System.Runtime.InteropServices;
using System.Text.Json;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <summary>
/// What the model computes with keys and values of every type: the same bits however it is run, and nearly what it computes without
/// rounding.
/// </summary>
public sealed class KvTypeBitsTests
{
    private const int Layers = 6;

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    [InlineData(ElementType.Q8_0)]
    public void Logits_EveryCutChunkAndThreads_HaveTheSameBits(ElementType kvType)
    {
        int[] tokens = Story();
        float[][] expected = Logits(kvType, tokens.Length, 1, [0, Layers]);
        foreach ((int chunk, int threads, int[] cut) in ((int, int, int[])[])
            [(48, 1, [0, 6]), (7, 1, [0, 2, 6]), (1, 1, [0, 1, 3, 6]), (48, 3, [0, 5, 6]), (7, 2, [0, 6]), (1, 3, [0, 3, 6])])
        {
            float[][] logits = Logits(kvType, chunk, threads, cut);
            for (int position = 0; position < tokens.Length; position++)
            {
                Assert.True(
                    MemoryMarshal.AsBytes<float>(expected[position]).SequenceEqual(MemoryMarshal.AsBytes<float>(logits[position])),
                    $"chunk {chunk}, {threads} threads, cut {string.Join('-', cut)}, position {position}");
            }
        }
    }

    /// <summary>
    /// The greatest error of a logit at any position of a story, in parts of the logits' spread there; measured: 0.0006, 0.005 and 0.0125.
    /// </summary>
    [Theory]
    [InlineData(ElementType.F16, 0.001)]
    [InlineData(ElementType.BF16, 0.01)]
    [InlineData(ElementType.Q8_0, 0.02)]
    public void Logits_RoundedKeysAndValues_AreCloseToThoseWithoutRounding(ElementType kvType, float bound)
    {
        float[][] exact = Logits(ElementType.F32, 256, 1, [0, Layers]);
        float[][] rounded = Logits(kvType, 256, 1, [0, Layers]);
        float error = exact.Zip(rounded, (e, r) => e.Zip(r, (x, y) => MathF.Abs(x - y)).Max() / (e.Max() - e.Min())).Max();
        Assert.InRange(error, bound / 100, bound);
    }

    private static float[][] Logits(ElementType kvType, int chunk, int threads, int[] cut)
    {
        using var runner = new ForwardRunner(TestPaths.TinyStories, cut, threads, kvType: kvType);
        return runner.Logits(Story(), chunk);
    }

    /// <summary>A prompt and what the shipped model makes of it: several blocks.</summary>
    private static int[] Story()
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestPaths.TinyStories, "golden.json")));
        JsonElement golden = json.RootElement[0];
        return [.. golden.GetProperty("tokens").Deserialize<int[]>()!, .. golden.GetProperty("greedy").Deserialize<int[]>()!];
    }
}
