using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Tests.Weights.Quantization;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Tests.Kernels;

/// <summary>A random matrix in a type of blocks at an odd address, poison (bits of NaNs) around it, with inputs and the products.</summary>
internal sealed unsafe class TestBlocks : IDisposable
{
    /// <summary>What outputs hold before a product.</summary>
    public const float Untouched = -12345;

    private readonly NativeBuffer memory;
    private readonly List<WeightMatrix> forms = [];
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

        for (int block = 0; block < blocks.Length; block += type.BlockBytes())
        {
            // Around 0.1 as well: an exponent; the half-precision number that four words hold the nibbles of.
            if (type == ElementType.MXFP4) blocks[block] = (byte)random.Next(122, 127);
            if (type == ElementType.IQ1_M) SetNibbles(blocks.AsSpan(block + 48, 8), (Half)((random.NextDouble() * 0.2) - 0.1));
        }

        memory = new NativeBuffer((blocks.Length + (2 * Poison) + 3) / 4);
        var bytes = new Span<byte>(memory.Pointer, (int)memory.Length * sizeof(float));
        bytes.Fill(0xff);
        blocks.CopyTo(bytes[Poison..]);
        Matrix = new WeightMatrix("test", type, rows, columns, (nint)memory.Pointer + Poison);
        if (!InterleavedRows.AreNeeded(type)) forms.Add(Matrix);
        if (InterleavedRows.Serve(type, columns)) forms.Add(Interleave(Matrix));
        Weights = BlockRowsTests.Dequantize(type, blocks);
    }

    public WeightMatrix Matrix { get; }

    /// <summary>The matrix in every form that kernels take.</summary>
    public IReadOnlyList<WeightMatrix> Forms => forms;

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
    public float[] Multiply(WeightMatrix form, int firstRow, int endRow, int firstToken, int tokenCount)
    {
        Prepare(firstToken, tokenCount);
        float[] outputs = [.. Enumerable.Repeat(Untouched, tokenCount * Matrix.Rows)];
        fixed (float* y = outputs, s = scratch) BlockProduct.Multiply(form, firstRow, endRow, inputs, tokenCount, y, s);
        return outputs;
    }

    /// <summary>All of the product as <see cref="BlockProduct"/> defines it, block after block.</summary>
    public float[] ByDefinition() => Matrix.Type switch
    {
        ElementType.Q4_0 => ByDefinition<Q4_0Block>(),
        ElementType.Q4_1 => ByDefinition<Q4_1Block>(),
        ElementType.Q5_0 => ByDefinition<Q5_0Block>(),
        ElementType.Q5_1 => ByDefinition<Q5_1Block>(),
        ElementType.Q8_0 => ByDefinition<Q8_0Block>(),
        ElementType.Q4_K => ByDefinition<Q4_KBlock>(),
        ElementType.Q5_K => ByDefinition<Q5_KBlock>(),
        ElementType.Q6_K => ByDefinition<Q6_KBlock>(),
        ElementType.Q2_K => ByDefinition<Q2_KBlock>(),
        ElementType.Q3_K => ByDefinition<Q3_KBlock>(),
        ElementType.IQ4_NL => ByDefinition<IQ4_NLBlock>(),
        ElementType.IQ4_XS => ByDefinition<IQ4_XSBlock>(),
        ElementType.IQ3_S => ByDefinition<IQ3_SBlock>(),
        ElementType.IQ3_XXS => ByDefinition<IQ3_XXSBlock>(),
        ElementType.IQ2_S => ByDefinition<IQ2_SBlock>(),
        ElementType.IQ2_XS => ByDefinition<IQ2_XSBlock>(),
        ElementType.IQ2_XXS => ByDefinition<IQ2_XXSBlock>(),
        ElementType.IQ1_M => ByDefinition<IQ1_MBlock>(),
        ElementType.IQ1_S => ByDefinition<IQ1_SBlock>(),
        ElementType.TQ2_0 => ByDefinition<TQ2_0Block>(),
        ElementType.TQ1_0 => ByDefinition<TQ1_0Block>(),
        ElementType.MXFP4 => ByDefinition<MXFP4Block>(),
        _ => throw new NotSupportedException($"{Matrix.Type}"),
    };

    public void Dispose()
    {
        memory.Dispose();
        inputs.Dispose();
    }

    /// <summary>Writes a number into the upper four bits of four words.</summary>
    public static void SetNibbles(Span<byte> words, Half number)
    {
        ushort bits = BitConverter.HalfToUInt16Bits(number);
        for (int i = 0; i < 4; i++) words[(2 * i) + 1] = (byte)((words[(2 * i) + 1] & 0x0f) | (((bits >> (4 * i)) & 0x0f) << 4));
    }

    /// <summary>The matrix as it is after all of it was copied.</summary>
    public static WeightMatrix Interleave(WeightMatrix matrix)
    {
        var product = new ProductMatrix(matrix, null, new WeightMemory());
        using var pool = new WorkerPool(2, "copy");
        while (!product.IsRepacked) product.Repack(pool, 1000);
        return product.Matrix;
    }

    private float[] ByDefinition<T>()
        where T : struct, IBlockFormat
    {
        Prepare(0, Tokens);
        float[] outputs = new float[Tokens * Matrix.Rows];
        for (int i = 0; i < outputs.Length; i++) outputs[i] = Output<T>(Matrix.Row(i % Matrix.Rows), i / Matrix.Rows);
        return outputs;
    }

    private float Output<T>(byte* row, int token)
        where T : struct, IBlockFormat
    {
        float[] lanes = new float[Lanes.Count];
        sbyte* x = inputs.Bytes(token);
        for (int i = 0; i < inputs.Blocks; i++, row += T.Type.BlockBytes())
        {
            int sum = 0, offsets = 0;
            for (int part = 0; part < inputs.BlockElements / 32; part++)
            {
                T.Integers(row, part, out Vector256<short> first, out Vector256<short> second);
                for (int j = 0; j < 32; j++, x++)
                {
                    sum += *x * (j < 16 ? first[j] : second[j - 16]);
                    offsets += *x * T.Offset(row, ((part * 32) + j) / T.OffsetElements);
                }
            }

            float scale = inputs.Scales(token)[i];
            ref float lane = ref lanes[i % Lanes.Count];
            lane = MathF.FusedMultiplyAdd(sum, (T.ScaleAt < 0 ? T.Scale(row) : (float)*(Half*)(row + T.ScaleAt)) * scale, lane);
            if (T.HasOffsets) lane = MathF.FusedMultiplyAdd(offsets, (float)*(Half*)(row + T.ScaleAt + 2) * scale, lane);
        }

        return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
    }

    private static int[] Halves(ElementType type) => type switch
    {
        ElementType.Q6_K => [208],
        ElementType.Q4_1 or ElementType.Q5_1 or ElementType.Q4_K or ElementType.Q5_K => [0, 2],
        ElementType.Q2_K => [80, 82],
        ElementType.Q3_K => [108],
        ElementType.TQ1_0 => [52],
        ElementType.TQ2_0 => [64],
        ElementType.MXFP4 or ElementType.IQ1_M => [],
        _ => [0],
    };

    private void Prepare(int firstToken, int tokenCount)
    {
        inputs.Reset(
            Matrix.Columns, tokenCount, inPairs: BlockProduct.TakesPairs(Matrix.Type, tokenCount), inQuads: InterleavedRows.AreNeeded(Matrix.Type));
        fixed (float* x = values)
        {
            for (int t = 0; t < tokenCount; t++) inputs.Round(t, x + ((firstToken + t) * Matrix.Columns), 0, Matrix.Columns);
        }
    }
}
