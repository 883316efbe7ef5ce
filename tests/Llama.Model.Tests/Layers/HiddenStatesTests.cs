using System.Collections.Concurrent;
using Llama.Model.Layers;

namespace Llama.Model.Tests.Layers;

public sealed class HiddenStatesTests
{
    [Fact]
    public void Rent_AfterDispose_TakesTheSameWithTheNewLength()
    {
        var pool = new ConcurrentBag<PinnedHiddenStates>();
        PinnedHiddenStates first = PinnedHiddenStates.Rent(pool, 3, 10);
        PinnedHiddenStates second = PinnedHiddenStates.Rent(pool, 1, 10);
        Assert.NotSame(first, second);
        Assert.Equal((120, 40), (first.Bytes.Length, second.Bytes.Length));

        first.Dispose();
        first.Dispose();

        Assert.Single(pool);
        Assert.Same(first, PinnedHiddenStates.Rent(pool, CpuBuffers.MaxTokens, 10));
        Assert.Equal(CpuBuffers.MaxTokens * 40, first.Bytes.Length);
        Assert.Empty(pool);
    }

    [Fact]
    public void Bytes_AfterDispose_AreNone()
    {
        PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], 1, 10);
        hidden.Dispose();
        Assert.True(hidden.Bytes.IsEmpty);
    }

    [Fact]
    public unsafe void Pointer_AfterGarbageCollections_StaysWhereTheBytesAre()
    {
        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], 1, 10);
        float* before = hidden.Pointer;
        GC.Collect();
        Assert.True(before == hidden.Pointer);
        before[9] = 1.5f;
        Assert.Equal(1.5f, BitConverter.ToSingle(hidden.Bytes.Span[36..]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(CpuBuffers.MaxTokens + 1)]
    public void Rent_ImpossibleNumberOfTokens_Throws(int tokens) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => PinnedHiddenStates.Rent([], tokens, 10));
}
