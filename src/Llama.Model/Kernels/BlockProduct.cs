using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of weights stored in blocks with rounded inputs. Within a block the products of integers are summed exactly, in any order.
/// Block i belongs to lane i mod 8, and a lane adds its blocks' sums, scaled, in order:
/// <c>lane = fma(sum, weightScale × inputScale, lane)</c>, and where the format has offsets,
/// <c>lane = fma(offsetSum, offsetScale × inputScale, lane)</c>; the lanes are then added in the tree of <see cref="Lanes.Sum"/>.
/// Rows may be interleaved (<see cref="InterleavedProduct{T}"/>); those of levels must be. Others lie as they are stored: for few tokens this goes
/// row after row (<see cref="BlockRow"/>); for more, the integers of sixteen rows are first laid out side by side, so that each vector
/// of them meets many tokens (<see cref="BlockPanel"/>).
/// </summary>
internal static unsafe class BlockProduct
{
    /// <summary>For so many tokens it pays to widen interleaved bytes once for all, except in 512-bit vectors.</summary>
    private const int PanelTokens = 88;

    /// <summary>The same for numbers of tables, whose levels have two planes except with AVX-VNNI.</summary>
    private const int TablePanelTokens = 16;

    /// <summary>Floats of scratch memory for steps of a number of tokens.</summary>
    public static int ScratchLength(int tokens) => BlockPanel.ScratchLength(tokens);

    /// <summary>Whether products of so many tokens take inputs in pairs.</summary>
    public static bool TakesPairs(ElementType type, int tokens) => !InterleavedRows.AreNeeded(type)
        || (type is ElementType.IQ4_NL or ElementType.IQ4_XS && !Instructions.AreWide && !AvxVnni.IsSupported && tokens >= TablePanelTokens);

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector.</summary>
    /// <param name="weights">The matrix <c>[rows, columns]</c>, in a type of blocks; interleaved, if one of levels.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="x">The inputs.</param>
    /// <param name="tokens">Number of input vectors.</param>
    /// <param name="y">Outputs, <c>[tokens, rows]</c>; only the columns of the given rows are written.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats that no other thread uses.</param>
    public static void Multiply(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y, float* scratch)
    {
        switch (weights.Type)
        {
            case ElementType.Q4_0: MultiplyLevels<Q4_0Block>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q4_1: MultiplyLevels<Q4_1Block>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q5_0: MultiplyLevels<Q5_0Block>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q5_1: MultiplyLevels<Q5_1Block>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q8_0 when weights.IsInterleaved && (Instructions.AreWide || tokens < PanelTokens):
                InterleavedProduct<ByteProduct>.Multiply(weights, firstRow, endRow, x, tokens, y);
                break;
            case ElementType.Q8_0: Multiply<Q8_0Block>(weights, firstRow, endRow, x, tokens, y, scratch, &ByteRows.Widen); break;
            case ElementType.Q4_K: MultiplyLevels<Q4_KBlock>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q5_K: MultiplyLevels<Q5_KBlock>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q6_K: MultiplyLevels<Q6_KBlock>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q2_K: MultiplyLevels<Q2_KBlock>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.Q3_K: MultiplyLevels<Q3_KBlock>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.IQ4_NL when TakesPairs(weights.Type, tokens):
                BlockPanel.Multiply<IQ4_NLBlock>(weights, firstRow, endRow, x, tokens, y, scratch, &LevelPanel<IQ4_NLBlock>.Widen);
                break;
            case ElementType.IQ4_NL: MultiplyLevels<IQ4_NLBlock>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.IQ4_XS when TakesPairs(weights.Type, tokens):
                BlockPanel.Multiply<IQ4_XSBlock>(weights, firstRow, endRow, x, tokens, y, scratch, &LevelPanel<IQ4_XSBlock>.Widen);
                break;
            case ElementType.IQ4_XS: MultiplyLevels<IQ4_XSBlock>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.IQ3_S: Multiply<IQ3_SBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.IQ3_XXS: Multiply<IQ3_XXSBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.IQ2_S: Multiply<IQ2_SBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.IQ2_XS: Multiply<IQ2_XSBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.IQ2_XXS: Multiply<IQ2_XXSBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.IQ1_M: Multiply<IQ1_MBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.IQ1_S: Multiply<IQ1_SBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.TQ2_0: Multiply<TQ2_0Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.TQ1_0: Multiply<TQ1_0Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.MXFP4: Multiply<MXFP4Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            default: throw new NotSupportedException($"{weights.Type} is no type of blocks");
        }
    }

    private static void MultiplyLevels<T>(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y)
        where T : struct, ILevelFormat => InterleavedProduct<LevelProduct<T>>.Multiply(weights, firstRow, endRow, x, tokens, y);

    private static void Multiply<T>(
        WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y, float* scratch,
        delegate*<byte*, int, int, Panel, void> widen = null)
        where T : struct, IRowFormat
    {
        if (tokens < BlockPanel.Tokens) BlockRow.Multiply<T>(weights, firstRow, endRow, x, tokens, y);
        else BlockPanel.Multiply<T>(weights, firstRow, endRow, x, tokens, y, scratch, widen);
    }
}
