using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Weights whose rows are interleaved for products: groups of eight rows, block after block, so that a vector holds a few columns of each
/// row and no sum crosses lanes. <see cref="LevelRows{T}"/> and <see cref="ByteRows"/> say how the blocks of a group lie,
/// <see cref="VectorRows"/> how numbers do.
/// </summary>
internal static unsafe class InterleavedRows
{
    /// <summary>Whether kernels want rows so.</summary>
    /// <param name="type">Their type.</param>
    /// <param name="columns">Elements of a row.</param>
    public static bool Serve(ElementType type, int columns) => BlockBytes(type) > 0 && columns % VectorRows.Columns == 0;

    /// <summary>Whether kernels take a type's rows in no other way: levels, which several tokens' inputs meet in fours, not in pairs.</summary>
    public static bool AreNeeded(ElementType type) => LevelBytes(type) > 0;

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
            case ElementType.Q4_0: LevelRows<Q4_0Block>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q4_1: LevelRows<Q4_1Block>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q4_K: LevelRows<Q4_KBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q2_K: LevelRows<Q2_KBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q3_K: LevelRows<Q3_KBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.IQ4_NL: LevelRows<IQ4_NLBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.IQ4_XS: LevelRows<IQ4_XSBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q5_0: LevelRows<Q5_0Block>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q5_1: LevelRows<Q5_1Block>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q5_K: LevelRows<Q5_KBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q6_K: LevelRows<Q6_KBlock>.LayOut(rows, count, blocks, target); break;
            case ElementType.Q8_0: ByteRows.LayOut(rows, count, blocks, target); break;
            case ElementType.F32 or ElementType.F16 or ElementType.BF16: VectorRows.LayOut(rows, count, matrix, target); break;
            default: throw new NotSupportedException($"{matrix.Type} is not interleaved");
        }
    }

    private static int BlockBytes(ElementType type) => type switch
    {
        ElementType.Q8_0 => ByteRows.BlockBytes,
        ElementType.F32 or ElementType.F16 or ElementType.BF16 => (int)type.Bytes(Lanes.Count),
        _ => LevelBytes(type),
    };

    private static int LevelBytes(ElementType type) => type switch
    {
        ElementType.Q4_0 => LevelRows<Q4_0Block>.BlockBytes,
        ElementType.Q4_1 => LevelRows<Q4_1Block>.BlockBytes,
        ElementType.Q4_K => LevelRows<Q4_KBlock>.BlockBytes,
        ElementType.Q2_K => LevelRows<Q2_KBlock>.BlockBytes,
        ElementType.Q3_K => LevelRows<Q3_KBlock>.BlockBytes,
        ElementType.IQ4_NL => LevelRows<IQ4_NLBlock>.BlockBytes,
        ElementType.IQ4_XS => LevelRows<IQ4_XSBlock>.BlockBytes,
        ElementType.Q5_0 => LevelRows<Q5_0Block>.BlockBytes,
        ElementType.Q5_1 => LevelRows<Q5_1Block>.BlockBytes,
        ElementType.Q5_K => LevelRows<Q5_KBlock>.BlockBytes,
        ElementType.Q6_K => LevelRows<Q6_KBlock>.BlockBytes,
        _ => 0,
    };
}
