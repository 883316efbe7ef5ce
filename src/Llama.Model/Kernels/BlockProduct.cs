using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of weights stored in blocks with rounded inputs. Within 32 elements the products of integers are summed exactly, in any order;
/// the sums then go, scaled, into one single-precision number an output, part after part:
/// <c>y = fma(sum, weightScale × inputScale, y)</c>, and where the format has offsets, <c>y = fma(offsetScale × offset, inputSum, y)</c>.
/// For few tokens the blocks are multiplied as they lie; for more, the integers of sixteen rows are first laid out side by side, so that
/// each vector of them meets many tokens.
/// </summary>
internal static unsafe class BlockProduct
{
    /// <summary>Rows that are multiplied together.</summary>
    public const int GroupRows = 8;

    private const int PanelRows = 2 * GroupRows;
    private const int PanelTokens = 4;

    /// <summary>Columns of a panel: with 16 rows of 16-bit integers, what stays in the first-level cache beside the inputs.</summary>
    private const int PanelColumns = 512;

    private const int PanelParts = PanelColumns / BlockRows.PartElements;
    private const int PartPairs = BlockRows.PartElements / 2;

    // Scratch: the panel's integers, its scales and offsets, and a sum for each row and token.
    private const int IntegersLength = PanelRows * PanelColumns / 2;
    private const int FactorsLength = PanelRows * PanelParts;

    /// <summary>Floats of scratch memory for steps of a number of tokens.</summary>
    public static int ScratchLength(int tokens) => IntegersLength + (2 * FactorsLength) + (PanelRows * tokens);

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector.</summary>
    /// <param name="weights">The matrix <c>[rows, columns]</c>, in a type of blocks.</param>
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
            case ElementType.Q4_0: Multiply<Q4_0Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.Q4_1: Multiply<Q4_1Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.Q5_0: Multiply<Q5_0Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.Q5_1: Multiply<Q5_1Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.Q8_0: Multiply<Q8_0Block>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.Q4_K: Multiply<Q4_KBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.Q5_K: Multiply<Q5_KBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.Q6_K: Multiply<Q6_KBlock>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            default: throw new NotSupportedException($"{weights.Type} is no type of blocks");
        }
    }

    private static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y, float* scratch)
        where T : struct, IBlockFormat
    {
        byte** rows = stackalloc byte*[PanelRows];
        int group = tokens < PanelTokens ? GroupRows : PanelRows;
        for (int row = firstRow; row < endRow; row += group)
        {
            // Places beyond the last row repeat it; their outputs are not stored.
            int count = Math.Min(group, endRow - row);
            for (int i = 0; i < group; i++) rows[i] = weights.Row(row + Math.Min(i, count - 1));
            if (tokens < PanelTokens)
            {
                for (int token = 0; token < tokens; token++)
                    Store(MultiplyGroup<T>(rows, x, token), y + ((long)token * weights.Rows) + row, count);
            }
            else
            {
                float* sums = scratch + IntegersLength + (2 * FactorsLength);
                MultiplyPanel<T>(rows, x, tokens, scratch, sums);
                for (int token = 0; token < tokens; token++, sums += PanelRows)
                {
                    float* target = y + ((long)token * weights.Rows) + row;
                    Store(Vector256.Load(sums), target, Math.Min(count, GroupRows));
                    if (count > GroupRows) Store(Vector256.Load(sums + GroupRows), target + GroupRows, count - GroupRows);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> outputs, float* target, int count)
    {
        if (count == GroupRows) outputs.Store(target);
        else Lanes.StorePartial(outputs, target, count);
    }

    /// <summary>Eight rows with one token.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<float> MultiplyGroup<T>(byte** rows, RoundedInputs inputs, int token)
        where T : struct, IBlockFormat
    {
        sbyte* x = inputs.Bytes(token);
        float* inputScales = inputs.Scales(token);
        float* inputSums = inputs.Sums(token);
        int parts = inputs.Blocks;
        int blockParts = T.Type.BlockElements() / BlockRows.PartElements;
        byte* row0 = rows[0];
        byte* row1 = rows[1];
        byte* row2 = rows[2];
        byte* row3 = rows[3];
        byte* row4 = rows[4];
        byte* row5 = rows[5];
        byte* row6 = rows[6];
        byte* row7 = rows[7];
        Vector256<float> outputs = Vector256<float>.Zero;
        nint offset = 0;
        byte* next = row0 + (GroupRows * (row1 - row0));
        for (int first = 0; first < parts; first += blockParts, offset += T.Type.BlockBytes())
        {
            Prefetch.Next(ref next, GroupRows * T.Type.BlockBytes());
            Vector256<float> scales = Halves(rows, offset + T.ScaleAt);
            Vector256<float> offsetScales = T.HasOffsets ? Halves(rows, offset + T.ScaleAt + sizeof(ushort)) : default;
            for (int part = 0; part < blockParts; part++)
            {
                Vector256<sbyte> input = Vector256.Load(x + ((first + part) * BlockRows.PartElements));
                Vector256<int> sums = Lanes.SumEach(
                    T.Dot(row0 + offset, part, input), T.Dot(row1 + offset, part, input),
                    T.Dot(row2 + offset, part, input), T.Dot(row3 + offset, part, input),
                    T.Dot(row4 + offset, part, input), T.Dot(row5 + offset, part, input),
                    T.Dot(row6 + offset, part, input), T.Dot(row7 + offset, part, input));
                Vector256<float> scale = scales * Vector256.Create(inputScales[first + part]);
                outputs = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sums), scale, outputs);
                if (!T.HasOffsets) continue;
                Vector256<int> offsets = Vector256.Create(
                    T.Offset(row0 + offset, part), T.Offset(row1 + offset, part),
                    T.Offset(row2 + offset, part), T.Offset(row3 + offset, part),
                    T.Offset(row4 + offset, part), T.Offset(row5 + offset, part),
                    T.Offset(row6 + offset, part), T.Offset(row7 + offset, part));
                outputs = Vector256.FusedMultiplyAdd(
                    Vector256.ConvertToSingle(offsets) * offsetScales, Vector256.Create(inputSums[first + part]), outputs);
            }
        }

        return outputs;
    }

    /// <summary>Sixteen rows with all tokens, some columns at a time.</summary>
    private static void MultiplyPanel<T>(byte** rows, RoundedInputs x, int tokens, float* scratch, float* sums)
        where T : struct, IBlockFormat
    {
        short* integers = (short*)scratch;
        float* scales = scratch + IntegersLength;
        float* offsets = scales + FactorsLength;
        new Span<float>(sums, tokens * PanelRows).Clear();
        nint next = (nint)(PanelRows * (rows[1] - rows[0]));
        for (int first = 0; first < x.Blocks; first += PanelParts)
        {
            int parts = Math.Min(PanelParts, x.Blocks - first);
            LayOut<T>(rows, first, parts, next, integers, scales, offsets);
            LayOut<T>(rows + GroupRows, first, parts, next, integers + PanelRows, scales + GroupRows, offsets + GroupRows);
            int token = 0;
            for (; token <= tokens - PanelTokens; token += PanelTokens)
                MultiplyFour<T>(x, token, first, parts, integers, scales, offsets, sums + (token * PanelRows));
            for (; token < tokens; token++)
                MultiplyOne<T>(x, token, first, parts, integers, scales, offsets, sums + (token * PanelRows));
        }
    }

    /// <summary>
    /// Lays eight rows out: for every pair of columns eight pairs of integers, one of each row; for every part eight scales and offsets.
    /// A panel alternates between two such groups. The memory is asked for what lies <paramref name="next"/> bytes further on.
    /// </summary>
    private static void LayOut<T>(byte** rows, int firstPart, int parts, nint next, short* integers, float* scales, float* offsets)
        where T : struct, IBlockFormat
    {
        int blockParts = T.Type.BlockElements() / BlockRows.PartElements;
        Vector256<int>* firsts = stackalloc Vector256<int>[GroupRows];
        Vector256<int>* seconds = stackalloc Vector256<int>[GroupRows];
        for (int i = 0; i < parts; i++, integers += PartPairs * PanelRows * 2, scales += PanelRows, offsets += PanelRows)
        {
            (int block, int part) = Math.DivRem(firstPart + i, blockParts);
            nint offset = (nint)block * T.Type.BlockBytes();
            for (int r = 0; r < GroupRows; r++)
            {
                if (part == 0) Prefetch.Near(rows[r] + offset + next, T.Type.BlockBytes());
                T.Integers(rows[r] + offset, part, out Vector256<short> first, out Vector256<short> second);
                firsts[r] = first.AsInt32();
                seconds[r] = second.AsInt32();
                if (T.HasOffsets) offsets[r] = T.Offset(rows[r] + offset, part);
            }

            Lanes.Transpose(firsts, (int*)integers, PanelRows);
            Lanes.Transpose(seconds, (int*)integers + (PartPairs / 2 * PanelRows), PanelRows);
            Halves(rows, offset + T.ScaleAt).Store(scales);
            if (T.HasOffsets)
                (Vector256.Load(offsets) * Halves(rows, offset + T.ScaleAt + sizeof(ushort))).Store(offsets);
        }
    }

    /// <summary>Sixteen rows with four tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyFour<T>(
        RoundedInputs inputs, int token, int firstPart, int parts, short* integers, float* scales, float* offsets, float* sums)
        where T : struct, IBlockFormat
    {
        int start = firstPart * BlockRows.PartElements;
        int* x0 = (int*)(inputs.Words(token) + start);
        int* x1 = (int*)(inputs.Words(token + 1) + start);
        int* x2 = (int*)(inputs.Words(token + 2) + start);
        int* x3 = (int*)(inputs.Words(token + 3) + start);
        for (int part = 0; part < parts; part++)
        {
            Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
            Vector256<int> b0 = default, b1 = default, b2 = default, b3 = default;
            for (int pair = 0; pair < PartPairs; pair++, integers += 2 * PanelRows)
            {
                Vector256<short> a = Vector256.Load(integers);
                Vector256<short> b = Vector256.Load(integers + PanelRows);
                Vector256<short> x = Vector256.Create(x0[pair]).AsInt16();
                a0 += SmallIntegers.MultiplyAddPairs(a, x);
                b0 += SmallIntegers.MultiplyAddPairs(b, x);
                x = Vector256.Create(x1[pair]).AsInt16();
                a1 += SmallIntegers.MultiplyAddPairs(a, x);
                b1 += SmallIntegers.MultiplyAddPairs(b, x);
                x = Vector256.Create(x2[pair]).AsInt16();
                a2 += SmallIntegers.MultiplyAddPairs(a, x);
                b2 += SmallIntegers.MultiplyAddPairs(b, x);
                x = Vector256.Create(x3[pair]).AsInt16();
                a3 += SmallIntegers.MultiplyAddPairs(a, x);
                b3 += SmallIntegers.MultiplyAddPairs(b, x);
            }

            int index = firstPart + part;
            AddPart<T>(inputs, token, index, a0, b0, scales, offsets, sums);
            AddPart<T>(inputs, token + 1, index, a1, b1, scales, offsets, sums + PanelRows);
            AddPart<T>(inputs, token + 2, index, a2, b2, scales, offsets, sums + (2 * PanelRows));
            AddPart<T>(inputs, token + 3, index, a3, b3, scales, offsets, sums + (3 * PanelRows));
            x0 += PartPairs;
            x1 += PartPairs;
            x2 += PartPairs;
            x3 += PartPairs;
            scales += PanelRows;
            offsets += PanelRows;
        }
    }

    /// <summary>Sixteen rows with one token.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyOne<T>(
        RoundedInputs inputs, int token, int firstPart, int parts, short* integers, float* scales, float* offsets, float* sums)
        where T : struct, IBlockFormat
    {
        int* x = (int*)(inputs.Words(token) + (firstPart * BlockRows.PartElements));
        for (int part = 0; part < parts; part++, x += PartPairs, scales += PanelRows, offsets += PanelRows)
        {
            Vector256<int> a = default, b = default;
            for (int pair = 0; pair < PartPairs; pair++, integers += 2 * PanelRows)
            {
                Vector256<short> input = Vector256.Create(x[pair]).AsInt16();
                a += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers), input);
                b += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers + PanelRows), input);
            }

            AddPart<T>(inputs, token, firstPart + part, a, b, scales, offsets, sums);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPart<T>(
        RoundedInputs inputs, int token, int part, Vector256<int> a, Vector256<int> b, float* scales, float* offsets, float* sums)
        where T : struct, IBlockFormat
    {
        Vector256<float> inputScale = Vector256.Create(inputs.Scales(token)[part]);
        Vector256<float> sumsA = Vector256.FusedMultiplyAdd(
            Vector256.ConvertToSingle(a), Vector256.Load(scales) * inputScale, Vector256.Load(sums));
        Vector256<float> sumsB = Vector256.FusedMultiplyAdd(
            Vector256.ConvertToSingle(b), Vector256.Load(scales + GroupRows) * inputScale, Vector256.Load(sums + GroupRows));
        if (T.HasOffsets)
        {
            Vector256<float> inputSum = Vector256.Create(inputs.Sums(token)[part]);
            sumsA = Vector256.FusedMultiplyAdd(Vector256.Load(offsets), inputSum, sumsA);
            sumsB = Vector256.FusedMultiplyAdd(Vector256.Load(offsets + GroupRows), inputSum, sumsB);
        }

        sumsA.Store(sums);
        sumsB.Store(sums + GroupRows);
    }

    /// <summary>The half-precision numbers at the same place of eight rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(byte** rows, nint offset) => HalfBits.ToSingle(Vector128.Create(
        Unsafe.ReadUnaligned<ushort>(rows[0] + offset), Unsafe.ReadUnaligned<ushort>(rows[1] + offset),
        Unsafe.ReadUnaligned<ushort>(rows[2] + offset), Unsafe.ReadUnaligned<ushort>(rows[3] + offset),
        Unsafe.ReadUnaligned<ushort>(rows[4] + offset), Unsafe.ReadUnaligned<ushort>(rows[5] + offset),
        Unsafe.ReadUnaligned<ushort>(rows[6] + offset), Unsafe.ReadUnaligned<ushort>(rows[7] + offset)));
}
