using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Weights whose rows are interleaved for products: groups of eight rows, block after block, so that a vector holds a few columns of each
/// row and no sum crosses lanes. <see cref="NibbleRows{T}"/> and <see cref="ByteRows"/> say how the blocks of a group lie,
/// <see cref="VectorRows"/> how numbers do.
/// </summary>
internal static unsafe class InterleavedRows
{
    /// <summary>Whether kernels want rows so.</summary>
    /// <param name="type">Their type.</param>
    /// <param name="columns">Elements of a row.</param>
    public static bool Serve(ElementType type, int columns) => BlockBytes(type) > 0 && columns % VectorRows.Columns == 0;

    /// <summary>Whether kernels take a type's rows in no other way: nibbles, which several tokens' inputs meet in fours, not in pairs.</summary>
    public static bool AreNeeded(ElementType type) => type is ElementType.Q4_0 or ElementType.Q4_1 or ElementType.Q4_K;

    /// <summary>Bytes of eight rows.</summary>
    /// <param name="type">A type that is served.</param>
    /// <param name="columns">Elements of a row.</param>
    public static long GroupBytes(ElementType type, int columns) => (long)columns / type.BlockElements() * BlockBytes(type);

    /// <summary>Lays out eight rows, or those that are left at the end of a matrix.</summary>
    /// <param name="matrix">The matrix, its rows as they are stored, in a type that is served.</param>
    /// <param name="group">Which eight rows.</param>
    /// <param name="target">Receives them; zeros before.</param>
    public static void LayOut(WeightMatrix matrix, int group, byte* target)
    {
        byte** rows = stackalloc byte*[Lanes.Count];
        int first = group * Lanes.Count, count = Math.Min(Lanes.Count, matrix.Rows - first);
        matrix.ListRows(first, count, rows, count);
        int blocks = matrix.Columns / matrix.Type.BlockElements();
        switch (matrix.Type)
        {
            case ElementType.Q4_0: NibbleRows<Q4_0Block>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q4_1: NibbleRows<Q4_1Block>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q4_K: NibbleRows<Q4_KBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q8_0: ByteRows.LayOut(rows, count, blocks, target); break;
            case ElementType.F32 or ElementType.F16 or ElementType.BF16: VectorRows.LayOut(rows, count, matrix, target); break;
            default: throw new NotSupportedException($"{matrix.Type} is not interleaved");
        }
    }

    private static int BlockBytes(ElementType type) => type switch
    {
        ElementType.Q4_0 => NibbleRows<Q4_0Block>.BlockBytes,
        ElementType.Q4_1 => NibbleRows<Q4_1Block>.BlockBytes,
        ElementType.Q4_K => NibbleRows<Q4_KBlock>.BlockBytes,
        ElementType.Q8_0 => ByteRows.BlockBytes,
        ElementType.F32 or ElementType.F16 or ElementType.BF16 => (int)type.Bytes(Lanes.Count),
        _ => 0,
    };
}
