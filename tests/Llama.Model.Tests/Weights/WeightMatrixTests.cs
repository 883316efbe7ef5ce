using Llama.Model.Weights;

namespace Llama.Model.Tests.Weights;

public sealed unsafe class WeightMatrixTests
{
    [Fact]
    public void Row_MatrixBeyondTwoGiB_IsWhereItBelongs()
    {
        // Llama 3.1 405B's output head in F32: 8.4 GB. Nothing is read, so nothing has to be there.
        var matrix = new WeightMatrix("output.weight", ElementType.F32, 128_256, 16_384, 4096);
        Assert.Equal(128_256L * 16_384 * 4, matrix.Bytes);
        Assert.Equal(4096 + (128_255L * 65_536), (nint)matrix.Row(128_255));
    }

    [Fact]
    public void Row_SeveralRuns_IsInItsOwn()
    {
        var matrix = new WeightMatrix("test", ElementType.BF16, 6, 10, 1000, 5000);
        Assert.Equal([1000, 1020, 1040, 5000, 5020, 5040], Enumerable.Range(0, 6).Select(row => (nint)matrix.Row(row)));
    }

    [Theory]
    [InlineData(5, 2)]
    [InlineData(4, 0)]
    public void Constructor_RunsThatDoNotDivideTheRows_Throws(int rows, int runs) =>
        Assert.Throws<ArgumentException>(() => new WeightMatrix("test", ElementType.F16, rows, 8, new nint[runs]));
}
