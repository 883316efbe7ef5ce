using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Some columns of sixteen rows, in two groups of eight that alternate: integers, in the order of <see cref="WordLayout{T}"/>; for every pair of
/// offsets sixteen, one of each row; for every block sixteen scales of both kinds.
/// </summary>
/// <param name="scratch">The memory.</param>
/// <param name="integersLength">Floats of it for the integers.</param>
/// <param name="factorsLength">Floats of it for each of the others.</param>
internal unsafe struct Panel(float* scratch, int integersLength, int factorsLength)
{
    /// <summary>Rows of a group.</summary>
    public const int GroupRows = Lanes.Count;

    /// <summary>The integers.</summary>
    public byte* Integers = (byte*)scratch;

    /// <summary>Pairs of 16-bit offsets.</summary>
    public short* Offsets = (short*)(scratch + integersLength);

    /// <summary>The blocks' scales.</summary>
    public float* Scales = scratch + integersLength + factorsLength;

    /// <summary>The scales of the offsets.</summary>
    public float* OffsetScales = scratch + integersLength + (2 * factorsLength);

    /// <summary>The same panel, from its second group on.</summary>
    public readonly Panel Second => this with
    {
        Integers = Integers + Vector256<byte>.Count,
        Offsets = Offsets + (2 * GroupRows),
        Scales = Scales + GroupRows,
        OffsetScales = OffsetScales + GroupRows,
    };

    /// <summary>The factors of the next block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Panel NextFactors<T>()
        where T : struct, IBlockFormat => this with
    {
        Offsets = Offsets + (((T.Type.BlockElements() / T.OffsetElements) + 1) / 2 * 4 * GroupRows),
        Scales = Scales + (2 * GroupRows),
        OffsetScales = OffsetScales + (2 * GroupRows),
    };

    /// <summary>Writes the scales of a block of the rows of a group, and its offsets.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="offset">Where in each the block begins.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void SetFactors<T>(byte** rows, nint offset)
        where T : struct, IBlockFormat
    {
        (T.ScaleAt < 0 ? BlockPanel.Scales<T>(rows, offset) : BlockPanel.Halves(rows, offset + T.ScaleAt)).Store(Scales);
        if (!T.HasOffsets) return;
        BlockPanel.Halves(rows, offset + T.ScaleAt + sizeof(ushort)).Store(OffsetScales);
        int count = T.Type.BlockElements() / T.OffsetElements;
        for (int i = 0; i < count; i++)
        {
            short* offsets = Offsets + (i / 2 * 4 * GroupRows) + (i % 2);
            for (int r = 0; r < GroupRows; r++)
            {
                offsets[2 * r] = (short)T.Offset(rows[r] + offset, i);

                // A block of one part has only the first of the two.
                if (count == 1) offsets[(2 * r) + 1] = 0;
            }
        }
    }
}
