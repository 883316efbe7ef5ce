using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>
/// A matrix of eight-bit floats with scales: an element is <c>e × scale</c>, computed in single precision and rounded to the type that the
/// model computes in, as transformers dequantises it. e is of E4M3 (Micikevicius et al., "FP8 Formats for Deep Learning", 2022): a sign, four
/// bits of an exponent around 7, three bits of a fraction, no infinities. There is one scale, or one a row, or one a block of rows and columns.
/// </summary>
internal sealed unsafe class Fp8Weights
{
    /// <summary>The stored type, as files name it.</summary>
    public const string TypeName = "F8_E4M3";

    private static readonly float[] Elements = [.. Enumerable.Range(0, 256).Select(Element)];

    private readonly StoredTensor weights;
    private readonly float[] scales;
    private readonly int columns;
    private readonly int blockRows;
    private readonly int blockColumns;
    private readonly ElementType type;

    /// <summary>Describes a matrix.</summary>
    /// <param name="weights">Its elements.</param>
    /// <param name="scale">Where its scales lie.</param>
    /// <param name="scales">The scales.</param>
    /// <param name="rows">Rows that the configuration asks for.</param>
    /// <param name="columns">Columns that it asks for.</param>
    /// <param name="block">Rows and columns that share a scale, where scales are those of blocks.</param>
    /// <param name="type">The type to decode to: F32, F16 or BF16.</param>
    /// <exception cref="CheckpointException">The matrix or its scales are of another shape.</exception>
    public Fp8Weights(StoredTensor weights, StoredTensor scale, float[] scales, int rows, int columns, (int Rows, int Columns) block, ElementType type)
    {
        (this.weights, this.scales, this.columns, this.type) = (weights, scales, columns, type);
        if (!weights.Shape.AsSpan().SequenceEqual([rows, columns]))
            throw Wrong(weights, StoredTensor.Text(rows, columns));
        long[] blocks = [(rows + block.Rows - 1) / block.Rows, (columns + block.Columns - 1) / block.Columns];
        (blockRows, blockColumns) = scale.Shape switch
        {
            [] or [1] or [1, 1] => (rows, columns),
            [var one] when one == rows => (1, columns),
            [var one, 1] when one == rows => (1, columns),
            var shape when shape.AsSpan().SequenceEqual(blocks) => block,
            _ => throw Wrong(scale, $"one scale, one for each of {rows} rows, or {StoredTensor.Text(blocks)}, one for {block.Rows} rows and {block.Columns} columns"),
        };
    }

    /// <summary>Bytes of a decoded row.</summary>
    public long RowBytes => type.Bytes(columns);

    /// <summary>The type that rows are decoded to.</summary>
    public ElementType Type => type;

    /// <summary>Decodes rows.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="count">How many.</param>
    /// <param name="target">Receives <c>count × RowBytes</c> bytes.</param>
    public void Decode(int first, int count, byte* target)
    {
        int across = (columns + blockColumns - 1) / blockColumns;
        Parallel.For(0, count, () => new float[columns], (i, _, row) =>
        {
            var source = new ReadOnlySpan<byte>((byte*)weights.Data + ((long)(first + i) * columns), columns);
            int scale = (first + i) / blockRows * across;
            for (int column = 0; column < columns; column++) row[column] = Elements[source[column]] * scales[scale + (column / blockColumns)];
            fixed (float* values = row) RowQuantizer.Quantize(type, values, target + (i * RowBytes), columns);
            return row;
        }, _ => { });
    }

    private static float Element(int bits)
    {
        int exponent = (bits >> 3) & 15, fraction = bits & 7;
        float magnitude = exponent == 0 ? MathF.ScaleB(fraction, -9) : (bits & 127) == 127 ? float.NaN : MathF.ScaleB(8 + fraction, exponent - 10);
        return bits < 128 ? magnitude : -magnitude;
    }

    private static CheckpointException Wrong(StoredTensor tensor, string expected) =>
        new($"{tensor.File}: tensor {tensor.Name}: found {StoredTensor.Text(tensor.Shape)}, expected {expected}");
}
