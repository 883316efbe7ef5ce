using System.Runtime.InteropServices;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;
using Llama.Torch.Forward;

namespace Llama.Torch.Tests;

/// <summary>A token's bits depend on the tokens before it and on nothing else.</summary>
public sealed class SameBitsTests
{
    private static readonly string Folder = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");
    private static readonly int[] Tokens = GoldenResults.Read(Path.Combine(TestPaths.Fixtures, "llama-3", "golden.json")).Tokens;

    public static TheoryData<string, ElementType, ElementType> Types()
    {
        var data = new TheoryData<string, ElementType, ElementType>();
        foreach (ILayerOperations operations in TestPlace.Operations)
        {
            data.Add(operations.Name, ElementType.F32, ElementType.F32);
            data.Add(operations.Name, ElementType.BF16, ElementType.F16);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Compute_EveryCutAndChunk_HasTheSameBits(string operations, ElementType weights, ElementType kvType)
    {
        ILayerOperations chosen = TestPlace.Operations.Single(one => one.Name == operations);
        byte[]? expected = null;
        foreach (int[] cuts in (int[][])[[], [1], [1, 2, 3]])
        {
            foreach (int chunk in (int[])[Tokens.Length, 1, 7, 16])
            {
                using var runner = new TorchRunner(Folder, weights, kvType, chosen, cuts: cuts);
                byte[] bits = Bits(runner.Logits(Tokens, chunk));
                expected ??= bits;
                Assert.Equal(expected, bits);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Compute_BesideOtherSequences_HasTheSameBits(string operations, ElementType weights, ElementType kvType)
    {
        ILayerOperations chosen = TestPlace.Operations.Single(one => one.Name == operations);
        using var alone = new TorchRunner(Folder, weights, kvType, chosen);
        using var together = new TorchRunner(Folder, weights, kvType, chosen);
        float[][] expected = alone.Logits(Tokens, 1);
        for (int i = 0; i < Tokens.Length; i++)
        {
            // Two others, one of them longer and before it; with 40 tokens there are two passes.
            var step = new Step();
            step.AddSequence(100, Tokens.AsSpan(0, i % 2 == 0 ? 5 : Tokens.Length), [.. Enumerable.Range(16, 16)]);
            step.AddSamplingSequence(i, [Tokens[i]], [5, 3, 9], new SamplingParameters(), 0, 0);
            step.AddSequence(i, [Tokens[i]], [1, 2, 4]);
            Assert.Equal(Bits([expected[i]]), Bits(together.Logits(step)));
        }
    }

    [Theory]
    [InlineData(ElementType.F32, ElementType.F32)]
    [InlineData(ElementType.BF16, ElementType.F16)]
    public void Holds_WidthsOfAModelOf110M_Holds(ElementType weights, ElementType kvType)
    {
        Place place = TestPlace.With(TestPlace.Scripted);
        place.EnterThread();
        Assert.True(SelfTest.Holds(
            BiasedModel.Config with { Dim = 768, Heads = 12, KvHeads = 12, HeadDim = 64, HiddenDim = 2048, VocabSize = 4000 }, place, weights, kvType));
    }

    /// <summary>A test that never fails proves nothing: with as many rows as tokens it does.</summary>
    [Fact]
    public void Holds_PassesOfAsManyRowsAsTokens_DoesNotHold()
    {
        Place place = TestPlace.With(new RowsAsTokens(TestPlace.Scripted));
        place.EnterThread();
        Assert.False(SelfTest.Holds(
            BiasedModel.Config with { Dim = 768, Heads = 12, KvHeads = 12, HeadDim = 64, HiddenDim = 2048 }, place, ElementType.F32, ElementType.F32));
    }

    private static byte[] Bits(float[][] logits) => [.. logits.SelectMany(row => MemoryMarshal.AsBytes<float>(row).ToArray())];
}
