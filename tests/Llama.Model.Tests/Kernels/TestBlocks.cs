using System.Buffers.Binary;
using Llama.Model.Kernels;
using Llama.Model.Tests.Weights.Quantization;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Kernels;

/// <summary>A random matrix in a type of blocks at an odd address, poison (bits of NaNs) around it, with inputs and the products.</summary>
internal sealed unsafe class TestBlocks : IDisposable
{
    /// <summary>What outputs hold before a product.</summary>
    public const float Untouched = -12345;

    private readonly NativeBuffer memory;
    private readonly RoundedInputs inputs;
    private readonly float[] values;
    private readonly float[] scratch;

    /// <summary>With random weights and inputs; or with every byte of the blocks one and the same, and inputs that round to ±127.</summary>
    public TestBlocks(ElementType type, int rows, int columns, int tokens, byte? filling = null)
    {
        Tokens = tokens;
        var random = new Random((rows * 1000) + columns);
        values = [.. Enumerable.Range(0, tokens * columns).Select(_ => (float)((random.NextDouble() * 2) - 1))];
        if (filling is not null) values = [.. values.Select((x, i) => (i / columns) switch { 0 => 1, 1 => -1, _ => x < 0 ? -1f : 1f })];
        inputs = new RoundedInputs(type.BlockElements(), tokens, columns);
        scratch = new float[BlockProduct.ScratchLength(tokens)];

        const int Poison = 33;
        int rowBytes = (int)type.Bytes(columns);
        byte[] blocks = new byte[rows * rowBytes];
        random.NextBytes(blocks);
        if (filling is { } value) blocks.AsSpan().Fill(value);
        foreach (int place in Halves(type))
        {
            for (int block = 0; block < blocks.Length; block += type.BlockBytes())
                BinaryPrimitives.WriteHalfLittleEndian(blocks.AsSpan(block + place), (Half)((random.NextDouble() * 0.2) - 0.1));
        }

        memory = new NativeBuffer((blocks.Length + (2 * Poison) + 3) / 4);
        var bytes = new Span<byte>(memory.Pointer, (int)memory.Length * sizeof(float));
        bytes.Fill(0xff);
        blocks.CopyTo(bytes[Poison..]);
        Matrix = new WeightMatrix("test", type, rows, columns, (nint)memory.Pointer + Poison);
        Weights = BlockRowsTests.Dequantize(type, blocks);
    }

    public WeightMatrix Matrix { get; }

    /// <summary>The weights as numbers, <c>[rows, columns]</c>.</summary>
    public float[] Weights { get; }

    public int Tokens { get; }

    /// <summary>An element of an input as it was rounded.</summary>
    public double RoundedInput(int token, int column)
    {
        Prepare(0, Tokens);
        return (double)inputs.Scales(token)[column / inputs.BlockElements] * inputs.Bytes(token)[column];
    }

    /// <summary>Some rows of the product with some tokens, <c>[tokens, rows]</c>.</summary>
    public float[] Multiply(int firstRow, int endRow, int firstToken, int tokenCount)
    {
        Prepare(firstToken, tokenCount);
        float[] outputs = [.. Enumerable.Repeat(Untouched, tokenCount * Matrix.Rows)];
        fixed (float* y = outputs, s = scratch) BlockProduct.Multiply(Matrix, firstRow, endRow, inputs, tokenCount, y, s);
        return outputs;
    }

    /// <summary>All of the product, every row with every token in a call of its own.</summary>
    public float[] ElementByElement()
    {
        float[] outputs = new float[Tokens * Matrix.Rows];
        for (int t = 0; t < Tokens; t++)
        {
            for (int r = 0; r < Matrix.Rows; r++) outputs[(t * Matrix.Rows) + r] = Multiply(r, r + 1, t, 1)[r];
        }

        return outputs;
    }

    public void Dispose()
    {
        memory.Dispose();
        inputs.Dispose();
    }

    private static int[] Halves(ElementType type) => type switch
    {
        ElementType.Q6_K => [208],
        ElementType.Q4_0 or ElementType.Q5_0 or ElementType.Q8_0 => [0],
        _ => [0, 2],
    };

    private void Prepare(int firstToken, int tokenCount)
    {
        inputs.Reset(Matrix.Columns);
        fixed (float* x = values)
        {
            for (int t = 0; t < tokenCount; t++) inputs.Round(t, x + ((firstToken + t) * Matrix.Columns));
        }
    }
}
