using Llama.Model.Kernels;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Kernels;

/// <summary>
/// A random matrix at an odd address, poison (bits of NaNs) before and after each run of its rows, with inputs and the exact products.
/// </summary>
internal sealed unsafe class TestProduct : IDisposable
{
    /// <summary>What outputs hold before a product.</summary>
    public const float Untouched = -12345;

    private readonly NativeBuffer memory;
    private readonly float[] inputs;
    private readonly float[] scratch;
    private readonly int tokens;

    public TestProduct(ElementType type, int rows, int columns, int tokens, int runs, float largestInput = 1)
    {
        this.tokens = tokens;
        var random = new Random((rows * 1000) + columns);
        Weights = [.. Enumerable.Range(0, rows * columns).Select(_ => Stored(type, (float)((random.NextDouble() * 2) - 1)))];
        inputs = [.. Enumerable.Range(0, tokens * columns).Select(_ => largestInput * (float)((random.NextDouble() * 2) - 1))];
        scratch = new float[MatrixProduct.ScratchLength(tokens)];

        const int Poison = 33;
        int runElements = rows / runs * columns;
        int runBytes = (int)type.Bytes(runElements);
        memory = new NativeBuffer((runs * (runBytes + Poison)) + Poison);
        var bytes = new Span<byte>(memory.Pointer, (int)memory.Length * sizeof(float));
        bytes.Fill(0xff);
        nint[] starts = new nint[runs];
        for (int run = 0; run < runs; run++)
        {
            int start = Poison + (run * (runBytes + Poison));
            starts[run] = (nint)memory.Pointer + start;
            for (int i = 0; i < runElements; i++) Write(type, bytes[(start + (int)type.Bytes(i))..], Weights[(run * runElements) + i]);
        }

        Matrix = new WeightMatrix("test", type, rows, columns, starts);
        Exact = new double[tokens * rows];
        Tolerance = new double[tokens * rows];
        for (int element = 0; element < Exact.Length; element++)
        {
            double magnitude = 0;
            for (int c = 0; c < columns; c++)
            {
                double product = (double)Weights[(element % rows * columns) + c] * inputs[(element / rows * columns) + c];
                Exact[element] += product;
                magnitude += Math.Abs(product);
            }

            Tolerance[element] = magnitude * (columns / 8 + 4) * Math.ScaleB(1, -24);
        }
    }

    public WeightMatrix Matrix { get; }

    /// <summary>The matrix with its rows interleaved, where they can be; otherwise as it is.</summary>
    public WeightMatrix Interleaved => InterleavedRows.Serve(Matrix.Type, Matrix.Columns) ? TestBlocks.Interleave(Matrix) : Matrix;

    /// <summary>The weights as the stored type holds them, <c>[rows, columns]</c>.</summary>
    public float[] Weights { get; }

    /// <summary>The products in double precision, <c>[tokens, rows]</c>.</summary>
    public double[] Exact { get; }

    /// <summary>How far single precision may be from them.</summary>
    public double[] Tolerance { get; }

    /// <summary>Some rows of the product with some tokens, <c>[tokens, rows]</c>.</summary>
    public float[] Multiply(int firstRow, int endRow, int firstToken, int tokenCount) =>
        Multiply(Matrix, firstRow, endRow, firstToken, tokenCount);

    /// <summary>The same with one of the matrix's forms.</summary>
    public float[] Multiply(WeightMatrix form, int firstRow, int endRow, int firstToken, int tokenCount)
    {
        float[] outputs = [.. Enumerable.Repeat(Untouched, tokenCount * Matrix.Rows)];
        fixed (float* x = inputs, y = outputs, s = scratch)
            MatrixProduct.Multiply(form, firstRow, endRow, x + (firstToken * Matrix.Columns), tokenCount, y, s);
        return outputs;
    }

    /// <summary>All of the product, every row with every token in a call of its own.</summary>
    public float[] ElementByElement()
    {
        float[] outputs = new float[tokens * Matrix.Rows];
        for (int t = 0; t < tokens; t++)
        {
            for (int r = 0; r < Matrix.Rows; r++) outputs[(t * Matrix.Rows) + r] = Multiply(r, r + 1, t, 1)[r];
        }

        return outputs;
    }

    public void Dispose() => memory.Dispose();

    private static float Stored(ElementType type, float value) => type switch
    {
        ElementType.F16 => (float)(Half)value,
        ElementType.BF16 => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xffff0000),
        _ => value,
    };

    private static void Write(ElementType type, Span<byte> target, float value)
    {
        bool written = type switch
        {
            ElementType.F16 => BitConverter.TryWriteBytes(target, (Half)value),
            ElementType.BF16 => BitConverter.TryWriteBytes(target, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)),
            _ => BitConverter.TryWriteBytes(target, value),
        };
        Assert.True(written);
    }
}
