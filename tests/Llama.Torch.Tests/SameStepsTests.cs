using System.Runtime.InteropServices;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;
using Llama.Torch.Forward;

namespace Llama.Torch.Tests;

/// <summary>A token's bits depend on the tokens before it and on the shapes that they were computed in, and on nothing else.</summary>
public sealed class SameStepsTests
{
    private const int Prompt = 330;
    private const int Blocks = 130;
    private static readonly string Folder = Path.Combine(TestPaths.Fixtures, "llama-3.2-tied", "hf");
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 2100).Select(i => (i * 31) % 380)];
    private static readonly int[] Table = [.. Enumerable.Range(0, Blocks).Select(i => i * 7 % Blocks)];
    private static readonly int[] Beside = [.. Enumerable.Range(Blocks, 10)];

    public static TheoryData<string, ElementType, ElementType> Types()
    {
        var data = new TheoryData<string, ElementType, ElementType>();
        foreach (ILayerOperations operations in TestPlace.Operations)
        {
            data.Add(operations.Name, ElementType.F32, ElementType.F32);
            data.Add(operations.Name, ElementType.BF16, ElementType.BF16);
        }

        return data;
    }

    /// <summary>As a pipeline does that has lost all or a range, or a sequence its blocks: in other parts and beside others, in the shapes that are recorded.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void Compute_OtherPartsInTheSameShapes_HaveTheSameBits(string operations, ElementType weights, ElementType kvType)
    {
        using TorchRunner first = Runner(operations, weights, kvType);
        float[] expected = Run(first, (0, 300, 512), (300, Prompt - 1, 64), (Prompt - 1, Prompt, 64));
        foreach (int[] cuts in (int[][])[[], [1], [1, 2]])
        {
            using TorchRunner other = Runner(operations, weights, kvType, cuts);
            Assert.Equal(Bits(expected), Bits(Run(other, (0, 48, 512), (48, 300, 512), (300, 308, 64), (308, Prompt, 64))));
        }

        // Were bits the same in other shapes, too, nothing would have to be repeated.
        using TorchRunner shapes = Runner(operations, weights, kvType);
        float[] constant = Run(shapes, (0, Prompt, 64));
        Assert.NotEqual(Bits(expected), Bits(constant));
        AssertNear(expected, constant, weights == ElementType.F32 ? 1e-5 : 2e-2);
    }

    [Fact]
    public void Compute_PromptOf2048Tokens_IsOneStep()
    {
        using TorchRunner whole = Runner("script", ElementType.F32, ElementType.F32);
        using TorchRunner parts = Runner("script", ElementType.F32, ElementType.F32);
        AssertNear(Run(whole, (0, 2048, 2048), (2048, 2060, 64)), Run(parts, (0, 1000, 64), (1000, 2000, 1024), (2000, 2060, 64)), 1e-5);
    }

    [Theory]
    [InlineData(ElementType.F32, ElementType.F32)]
    [InlineData(ElementType.BF16, ElementType.BF16)]
    public void Holds_EveryShape(ElementType weights, ElementType kvType)
    {
        Place place = TestPlace.With(TestPlace.Scripted, repeatsShapes: true);
        place.EnterThread();
        Assert.True(SelfTest.Holds(
            BiasedModel.Config with { Dim = 256, Heads = 4, KvHeads = 2, HeadDim = 64, HiddenDim = 512, VocabSize = 1000, ContextLength = 4096 },
            place, weights, kvType));
    }

    private static TorchRunner Runner(string operations, ElementType weights, ElementType kvType, params int[] cuts) => new(
        Folder, weights, kvType, TestPlace.Operations.Single(one => one.Name == operations), repeatsShapes: true, kvBlocks: Blocks + Beside.Length,
        cuts: cuts);

    /// <summary>Logits behind the last of some parts, each a step beside a sequence that decodes and one whose prompt is computed.</summary>
    private static float[] Run(TorchRunner runner, params (int First, int End, int Shape)[] parts)
    {
        float[] logits = [];
        foreach ((int first, int end, int shape) in parts)
        {
            var step = new Step { Epoch = 1 };
            if (end - first < Step.MaxTokens) step.AddSequence(first % 50, [5], Beside);
            step.AddSamplingSequence(first, Tokens.AsSpan(first, end - first), Table, new SamplingParameters(), 0, 0);
            step.AddShape(shape);
            if (end - first < 1000) step.AddSequence(60, Tokens.AsSpan(0, 70), Beside);
            logits = runner.Logits(step)[0];
        }

        return logits;
    }

    private static void AssertNear(float[] expected, float[] found, double most) =>
        Assert.InRange(expected.Zip(found, (e, f) => Math.Abs(e - f)).Max() / (expected.Max() - expected.Min()), 0, most);

    private static byte[] Bits(float[] logits) => MemoryMarshal.AsBytes<float>(logits).ToArray();
}
