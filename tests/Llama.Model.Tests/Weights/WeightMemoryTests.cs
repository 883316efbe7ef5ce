using Llama.Model.Weights;

namespace Llama.Model.Tests.Weights;

public sealed unsafe class WeightMemoryTests
{
    [Fact]
    public void Take_SmallMatrices_LieOneBehindTheOther()
    {
        using var memory = new WeightMemory();
        using WeightMemory.Piece first = memory.Take(100), second = memory.Take(1 << 20), third = memory.Take(1);
        Assert.Equal(0, (nint)first.Pointer % 64);
        Assert.Equal((nint)first.Pointer + 128, (nint)second.Pointer);
        Assert.Equal((nint)second.Pointer + (1 << 20), (nint)third.Pointer);
    }

    [Fact]
    public void Take_MoreThanOneBufferHolds_NoPieceMeetsAnother()
    {
        using var memory = new WeightMemory();
        var pieces = new List<WeightMemory.Piece>();
        const int Bytes = 7 << 20;
        for (int i = 0; i < 10; i++)
        {
            pieces.Add(memory.Take(Bytes));
            new Span<byte>(pieces[i].Pointer, Bytes).Fill((byte)(i + 1));
        }

        for (int i = 0; i < 10; i++)
            Assert.Equal(-1, new ReadOnlySpan<byte>(pieces[i].Pointer, Bytes).IndexOfAnyExcept((byte)(i + 1)));
        pieces.ForEach(piece => piece.Dispose());
    }

    [Fact]
    public void Dispose_OthersOfTheBuffer_LeavesThePiece()
    {
        var memory = new WeightMemory();
        WeightMemory.Piece before = memory.Take(5000), kept = memory.Take(5000), large = memory.Take(100 << 20);
        new Span<byte>(kept.Pointer, 5000).Fill(7);
        new Span<byte>(large.Pointer, 100 << 20)[^1] = 8;
        before.Dispose();
        before.Dispose();
        memory.Dispose();
        Assert.Equal(-1, new ReadOnlySpan<byte>(kept.Pointer, 5000).IndexOfAnyExcept((byte)7));
        Assert.Equal(8, new ReadOnlySpan<byte>(large.Pointer, 100 << 20)[^1]);
        kept.Dispose();
        large.Dispose();
        Assert.True(kept.Pointer is null);
    }
}
