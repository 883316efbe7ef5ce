using Llama.Model.Kernels;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class MatrixProductTests
{
    private const int MaxRows = 9;
    private const int MaxTokens = 9;

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    public void Multiply_EveryShape_IsTheProductAndHasTheBitsOfEveryElementAlone(ElementType type)
    {
        for (int columns = 1; columns <= 40; columns++)
        {
            using var product = new TestProduct(type, MaxRows, columns, MaxTokens, runs: 1);
            float[] alone = product.ElementByElement();
            for (int element = 0; element < alone.Length; element++)
                Assert.Equal(product.Exact[element], alone[element], product.Tolerance[element]);
            for (int rows = 1; rows <= MaxRows; rows++)
            {
                for (int tokens = 1; tokens <= MaxTokens; tokens++)
                {
                    // The rows at the end, so that a read beyond the matrix meets the poison after it.
                    float[] result = product.Multiply(MaxRows - rows, MaxRows, 0, tokens);
                    for (int t = 0; t < tokens; t++)
                    {
                        for (int r = 0; r < MaxRows; r++)
                        {
                            float expected = r >= MaxRows - rows ? alone[(t * MaxRows) + r] : TestProduct.Untouched;
                            float found = result[(t * MaxRows) + r];
                            Assert.True(
                                BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(found),
                                $"{rows} × {columns}, {tokens} tokens: row {r} of token {t} is {found:R}, not {expected:R}");
                        }
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    public void Multiply_InterleavedRows_HaveTheBitsOfRowsAsTheyLie(ElementType type)
    {
        foreach (int columns in (int[])[16, 48, 784, 2048])
        {
            using var product = new TestProduct(type, 19, columns, MaxTokens, runs: 1);
            WeightMatrix interleaved = product.Interleaved;
            Assert.True(interleaved.IsInterleaved);
            for (int tokens = 1; tokens <= MaxTokens; tokens++)
            {
                Assert.Equal(product.Multiply(0, 19, 0, tokens), product.Multiply(interleaved, 0, 19, 0, tokens));
                Assert.Equal(product.Multiply(8, 16, 0, tokens), product.Multiply(interleaved, 8, 16, 0, tokens));
            }
        }
    }

    /// <summary>Halves are left 2^112 too small, and inputs made larger by that, as long as they stay numbers.</summary>
    [Theory]
    [InlineData(60_000f)]
    [InlineData(70_000f)]
    [InlineData(1e30f)]
    [InlineData(1e-40f)]
    public void Multiply_InterleavedHalvesWithExtremeInputs_HaveTheBitsOfRowsAsTheyLie(float largestInput)
    {
        using var product = new TestProduct(ElementType.F16, 8, 48, 1, runs: 1, largestInput);
        float[] plain = product.Multiply(0, 8, 0, 1);
        for (int row = 0; row < plain.Length; row++) Assert.Equal(product.Exact[row], plain[row], product.Tolerance[row] + (48 * float.Epsilon));
        Assert.Equal(plain, product.Multiply(product.Interleaved, 0, 8, 0, 1));
    }

    [Theory]
    [InlineData(ElementType.F32, 4)]
    [InlineData(ElementType.F16, 4)]
    [InlineData(ElementType.BF16, 5)]
    public void Multiply_InputsTooWideForTheCache_HaveTheBitsOfEveryElementAlone(ElementType type, int tokens)
    {
        using var product = new TestProduct(type, 5, 45_003, tokens, runs: 1);
        Assert.Equal(product.ElementByElement(), product.Multiply(0, 5, 0, tokens));
    }

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    public void Multiply_RowsInSeveralRuns_AreThoseOfOneRun(ElementType type)
    {
        using var whole = new TestProduct(type, 10, 37, 3, runs: 1);
        using var parts = new TestProduct(type, 10, 37, 3, runs: 5);
        Assert.Equal(whole.Multiply(0, 10, 0, 3), parts.Multiply(0, 10, 0, 3));
        Assert.Equal(whole.Multiply(0, 10, 2, 1), parts.Multiply(0, 10, 2, 1));
    }

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    public void ReadRow_EveryRow_IsTheRow(ElementType type)
    {
        using var product = new TestProduct(type, 6, 21, 1, runs: 3);
        float[] row = new float[21];
        for (int r = 0; r < 6; r++)
        {
            fixed (float* target = row) MatrixProduct.ReadRow(product.Matrix, r, target);
            Assert.Equal(product.Weights[(r * 21)..((r + 1) * 21)], row);
        }
    }
}
