using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of weights stored in blocks with rounded inputs. Within a block the products of integers are summed exactly, in any order;
/// the sums then go, scaled, into one single-precision number an output, block after block:
/// <c>y = fma(sum, weightScale × inputScale, y)</c>, and where the format has offsets,
/// <c>y = fma(offsetSum, offsetScale × inputScale, y)</c>.
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

    private const int PartElements = BlockRows.PartElements;
    private const int PartPairs = PartElements / 2;

    // Scratch: the panel's integers; pairs of offsets, and both scales, for each part at most; a sum for each row and token.
    private const int IntegersLength = PanelRows * PanelColumns / 2;
    private const int FactorsLength = PanelRows * PanelColumns / PartElements;

    /// <summary>Floats of scratch memory for steps of a number of tokens.</summary>
    public static int ScratchLength(int tokens) => IntegersLength + (3 * FactorsLength) + (PanelRows * tokens);

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
                float* sums = scratch + IntegersLength + (3 * FactorsLength);
                MultiplyPanel<T>(rows, x, tokens, new Panel(scratch), sums);
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

    /// <summary>Eight rows with one token; optimised at once, for the first token of a process must not wait for the compiler's tiers.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static Vector256<float> MultiplyGroup<T>(byte** rows, RoundedInputs inputs, int token)
        where T : struct, IBlockFormat
    {
        sbyte* x = inputs.Bytes(token);
        short* sums = inputs.Sums(token);
        float* inputScales = inputs.Scales(token);
        float* end = inputScales + inputs.Blocks;
        int blockElements = T.Type.BlockElements();
        byte* row0 = rows[0];
        byte* row1 = rows[1];
        byte* row2 = rows[2];
        byte* row3 = rows[3];
        byte* row4 = rows[4];
        byte* row5 = rows[5];
        byte* row6 = rows[6];
        byte* row7 = rows[7];
        byte* next = row0 + (GroupRows * (row1 - row0));
        Vector256<float> outputs = Vector256<float>.Zero;
        for (; inputScales < end; inputScales++)
        {
            Prefetch.Next(ref next, GroupRows * T.Type.BlockBytes());
            Vector256<int> dots = Lanes.SumEach(
                T.Dot(row0, row4, x, sums, out Vector256<int> offsets04), T.Dot(row1, row5, x, sums, out Vector256<int> offsets15),
                T.Dot(row2, row6, x, sums, out Vector256<int> offsets26), T.Dot(row3, row7, x, sums, out Vector256<int> offsets37));
            Vector256<float> inputScale = Vector256.Create(*inputScales);
            Vector256<float> scale = inputScale * Halves(row0, row1, row2, row3, row4, row5, row6, row7, T.ScaleAt);
            outputs = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dots), scale, outputs);
            if (T.HasOffsets)
            {
                dots = Lanes.SumEach(offsets04, offsets15, offsets26, offsets37);
                scale = inputScale * Halves(row0, row1, row2, row3, row4, row5, row6, row7, T.ScaleAt + sizeof(ushort));
                outputs = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dots), scale, outputs);
            }

            sums += blockElements / PartElements;
            x += blockElements;
            row0 += T.Type.BlockBytes();
            row1 += T.Type.BlockBytes();
            row2 += T.Type.BlockBytes();
            row3 += T.Type.BlockBytes();
            row4 += T.Type.BlockBytes();
            row5 += T.Type.BlockBytes();
            row6 += T.Type.BlockBytes();
            row7 += T.Type.BlockBytes();
        }

        return outputs;
    }

    /// <summary>Sixteen rows with all tokens, some columns at a time.</summary>
    private static void MultiplyPanel<T>(byte** rows, RoundedInputs x, int tokens, Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        int panelBlocks = PanelColumns / T.Type.BlockElements();
        nint next = (nint)(PanelRows * (rows[1] - rows[0]));
        new Span<float>(sums, tokens * PanelRows).Clear();
        for (int first = 0; first < x.Blocks; first += panelBlocks)
        {
            int blocks = Math.Min(panelBlocks, x.Blocks - first);
            LayOut<T>(rows, first, blocks, next, panel);
            LayOut<T>(rows + GroupRows, first, blocks, next, panel.Second);
            int token = 0;
            for (; token <= tokens - PanelTokens; token += PanelTokens)
                MultiplyFour<T>(x, token, first, blocks, panel, sums + (token * PanelRows));
            for (; token < tokens; token++)
                MultiplyOne<T>(x, token, first, blocks, panel, sums + (token * PanelRows));
        }
    }

    /// <summary>Lays eight rows out; the memory is asked for what lies <paramref name="next"/> bytes further on.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LayOut<T>(byte** rows, int firstBlock, int blocks, nint next, Panel panel)
        where T : struct, IBlockFormat
    {
        int parts = T.Type.BlockElements() / PartElements;
        Vector256<int>* firsts = stackalloc Vector256<int>[GroupRows];
        Vector256<int>* seconds = stackalloc Vector256<int>[GroupRows];
        for (int block = 0; block < blocks; block++)
        {
            nint offset = (nint)(firstBlock + block) * T.Type.BlockBytes();
            for (int part = 0; part < parts; part++)
            {
                for (int r = 0; r < GroupRows; r++)
                {
                    byte* source = rows[r] + offset;
                    if (part == 0) Prefetch.Near(source + next, T.Type.BlockBytes());
                    T.Integers(source, part, out Vector256<short> first, out Vector256<short> second);
                    firsts[r] = first.AsInt32();
                    seconds[r] = second.AsInt32();
                    if (T.HasOffsets) panel.Offsets[(part / 2 * PanelRows * 2) + (r * 2) + (part % 2)] = (short)T.Offset(source, part);

                    // A block of one part has only the first of the two.
                    if (T.HasOffsets && parts == 1) panel.Offsets[(r * 2) + 1] = 0;
                }

                Lanes.Transpose(firsts, (int*)panel.Integers, PanelRows);
                Lanes.Transpose(seconds, (int*)panel.Integers + (PartPairs / 2 * PanelRows), PanelRows);
                panel.Integers += PartPairs * PanelRows * 2;
            }

            Halves(rows, offset + T.ScaleAt).Store(panel.Scales);
            if (T.HasOffsets)
            {
                Halves(rows, offset + T.ScaleAt + sizeof(ushort)).Store(panel.OffsetScales);
                panel.Offsets += (parts + 1) / 2 * PanelRows * 2;
                panel.OffsetScales += PanelRows;
            }

            panel.Scales += PanelRows;
        }
    }

    /// <summary>Sixteen rows with four tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyFour<T>(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        int blockElements = T.Type.BlockElements();
        int start = firstBlock * blockElements;
        int* x0 = (int*)(inputs.Words(token) + start);
        int* x1 = (int*)(inputs.Words(token + 1) + start);
        int* x2 = (int*)(inputs.Words(token + 2) + start);
        int* x3 = (int*)(inputs.Words(token + 3) + start);
        nint stride = inputs.Blocks;
        nint parts = blockElements / PartElements;
        float* scales0 = inputs.Scales(token) + firstBlock;
        short* partSums0 = inputs.Sums(token) + (firstBlock * parts);
        short* integers = panel.Integers;
        for (int block = 0; block < blocks; block++)
        {
            Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
            Vector256<int> b0 = default, b1 = default, b2 = default, b3 = default;
            for (int pair = 0; pair < blockElements / 2; pair++, integers += 2 * PanelRows)
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

            AddBlock<T>(scales0 + block, partSums0, a0, b0, panel, sums);
            AddBlock<T>(scales0 + stride + block, partSums0 + (stride * parts), a1, b1, panel, sums + PanelRows);
            AddBlock<T>(scales0 + (2 * stride) + block, partSums0 + (2 * stride * parts), a2, b2, panel, sums + (2 * PanelRows));
            AddBlock<T>(scales0 + (3 * stride) + block, partSums0 + (3 * stride * parts), a3, b3, panel, sums + (3 * PanelRows));
            partSums0 += parts;
            panel = panel.NextFactors<T>();
            x0 += blockElements / 2;
            x1 += blockElements / 2;
            x2 += blockElements / 2;
            x3 += blockElements / 2;
        }
    }

    /// <summary>Sixteen rows with one token.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyOne<T>(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        int blockElements = T.Type.BlockElements();
        int* x = (int*)(inputs.Words(token) + (firstBlock * blockElements));
        short* partSums = inputs.Sums(token) + (firstBlock * (blockElements / PartElements));
        short* integers = panel.Integers;
        for (int block = 0; block < blocks; block++, x += blockElements / 2)
        {
            Vector256<int> a = default, b = default;
            for (int pair = 0; pair < blockElements / 2; pair++, integers += 2 * PanelRows)
            {
                Vector256<short> input = Vector256.Create(x[pair]).AsInt16();
                a += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers), input);
                b += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers + PanelRows), input);
            }

            AddBlock<T>(inputs.Scales(token) + firstBlock + block, partSums, a, b, panel, sums);
            partSums += blockElements / PartElements;
            panel = panel.NextFactors<T>();
        }
    }

    /// <summary>Adds a block's sums, scaled, to those of sixteen rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBlock<T>(float* scale, short* partSums, Vector256<int> a, Vector256<int> b, in Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        Vector256<float> inputScale = Vector256.Create(*scale);
        Vector256<float> sumsA = Vector256.FusedMultiplyAdd(
            Vector256.ConvertToSingle(a), inputScale * Vector256.Load(panel.Scales), Vector256.Load(sums));
        Vector256<float> sumsB = Vector256.FusedMultiplyAdd(
            Vector256.ConvertToSingle(b), inputScale * Vector256.Load(panel.Scales + GroupRows), Vector256.Load(sums + GroupRows));
        if (T.HasOffsets)
        {
            int parts = T.Type.BlockElements() / PartElements;
            a = b = Vector256<int>.Zero;
            for (int pair = 0; pair < (parts + 1) / 2; pair++)
            {
                Vector256<short> x = Vector256.Create(Unsafe.ReadUnaligned<int>(partSums + (2 * pair))).AsInt16();
                a += SmallIntegers.MultiplyAddPairs(Vector256.Load(panel.Offsets + (pair * PanelRows * 2)), x);
                b += SmallIntegers.MultiplyAddPairs(Vector256.Load(panel.Offsets + (pair * PanelRows * 2) + PanelRows), x);
            }

            sumsA = Vector256.FusedMultiplyAdd(
                Vector256.ConvertToSingle(a), inputScale * Vector256.Load(panel.OffsetScales), sumsA);
            sumsB = Vector256.FusedMultiplyAdd(
                Vector256.ConvertToSingle(b), inputScale * Vector256.Load(panel.OffsetScales + GroupRows), sumsB);
        }

        sumsA.Store(sums);
        sumsB.Store(sums + GroupRows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(byte** rows, nint offset) =>
        Halves(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], offset);

    /// <summary>The half-precision numbers at the same place of eight blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(
        byte* block0, byte* block1, byte* block2, byte* block3, byte* block4, byte* block5, byte* block6, byte* block7, nint offset) =>
        HalfBits.ToSingle(Vector128.Create(
            Unsafe.ReadUnaligned<ushort>(block0 + offset), Unsafe.ReadUnaligned<ushort>(block1 + offset),
            Unsafe.ReadUnaligned<ushort>(block2 + offset), Unsafe.ReadUnaligned<ushort>(block3 + offset),
            Unsafe.ReadUnaligned<ushort>(block4 + offset), Unsafe.ReadUnaligned<ushort>(block5 + offset),
            Unsafe.ReadUnaligned<ushort>(block6 + offset), Unsafe.ReadUnaligned<ushort>(block7 + offset)));

    /// <summary>
    /// Some columns of sixteen rows, in two groups of eight that alternate: for every pair of columns sixteen pairs of integers, one of
    /// each row; for every pair of parts as many pairs of offsets; for every block sixteen scales of both kinds.
    /// </summary>
    private struct Panel(float* scratch)
    {
        public short* Integers = (short*)scratch;
        public short* Offsets = (short*)(scratch + IntegersLength);
        public float* Scales = scratch + IntegersLength + FactorsLength;
        public float* OffsetScales = scratch + IntegersLength + (2 * FactorsLength);

        /// <summary>The same panel, from its second group on.</summary>
        public readonly Panel Second => this with
        {
            Integers = Integers + (2 * GroupRows),
            Offsets = Offsets + (2 * GroupRows),
            Scales = Scales + GroupRows,
            OffsetScales = OffsetScales + GroupRows,
        };

        /// <summary>The factors of the next block.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly Panel NextFactors<T>()
            where T : struct, IBlockFormat => this with
        {
            Offsets = Offsets + (((T.Type.BlockElements() / PartElements) + 1) / 2 * PanelRows * 2),
            Scales = Scales + PanelRows,
            OffsetScales = OffsetScales + PanelRows,
        };
    }
}
