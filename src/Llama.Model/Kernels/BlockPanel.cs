using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Rows of blocks with many tokens: the integers of sixteen rows are widened to 16 bits and laid out side by side, some columns at a
/// time. A vector of them holds two columns of eight rows, meets a pair of a token's inputs, and needs no addition across lanes.
/// </summary>
internal static unsafe class BlockPanel
{
    /// <summary>Tokens that a pass over a panel serves.</summary>
    public const int Tokens = RoundedInputs.GroupTokens;

    private const int GroupRows = Lanes.Count;
    private const int Rows = 2 * GroupRows;

    /// <summary>Columns of a panel: with 16 rows of 16-bit integers, what stays in the first-level cache beside the inputs.</summary>
    private const int Columns = 512;

    private const int PartElements = BlockRows.PartElements;
    private const int PartPairs = PartElements / 2;

    /// <summary>Sums of a token: sixteen rows for each lane.</summary>
    private const int TokenSums = Lanes.Count * Rows;

    // Scratch: the panel's integers; pairs of offsets, and both scales, for each part at most; the sums.
    private const int IntegersLength = Rows * Columns / 2;
    private const int FactorsLength = Rows * Columns / PartElements;
    private const int SumsAt = IntegersLength + (3 * FactorsLength);

    /// <summary>Floats of scratch memory for steps of a number of tokens.</summary>
    public static int ScratchLength(int tokens) => SumsAt + (TokenSums * tokens);

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector; see <see cref="BlockProduct"/>.</summary>
    public static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y, float* scratch)
        where T : struct, IBlockFormat
    {
        byte** rows = stackalloc byte*[Rows];
        float* sums = scratch + SumsAt;
        for (int row = firstRow; row < endRow; row += Rows)
        {
            // Places beyond the last row repeat it; their outputs are not stored.
            int count = Math.Min(Rows, endRow - row);
            for (int i = 0; i < Rows; i++) rows[i] = weights.Row(row + Math.Min(i, count - 1));
            MultiplyRows<T>(rows, x, tokens, new Panel(scratch), sums);
            for (int token = 0; token < tokens; token++)
            {
                float* target = y + ((long)token * weights.Rows) + row;
                Store(sums + (token * TokenSums), target, Math.Min(count, GroupRows));
                if (count > GroupRows) Store(sums + (token * TokenSums) + GroupRows, target + GroupRows, count - GroupRows);
            }
        }
    }

    /// <summary>Adds the lanes of eight rows.</summary>
    private static void Store(float* sums, float* target, int count)
    {
        Vector256<float> even = Add(sums, 0, 4) + Add(sums, 2, 6), odd = Add(sums, 1, 5) + Add(sums, 3, 7);
        if (count == GroupRows) (even + odd).Store(target);
        else Lanes.StorePartial(even + odd, target, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(float* sums, int lane, int other) =>
        Vector256.Load(sums + (lane * Rows)) + Vector256.Load(sums + (other * Rows));

    /// <summary>Sixteen rows with all tokens, some columns at a time.</summary>
    private static void MultiplyRows<T>(byte** rows, RoundedInputs x, int tokens, Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        int panelBlocks = Columns / T.Type.BlockElements();
        nint next = (nint)(Rows * (rows[1] - rows[0]));
        new Span<float>(sums, tokens * TokenSums).Clear();
        for (int first = 0; first < x.Blocks; first += panelBlocks)
        {
            int blocks = Math.Min(panelBlocks, x.Blocks - first);
            LayOut<T>(rows, first, blocks, next, panel);
            LayOut<T>(rows + GroupRows, first, blocks, next, panel.Second);
            int token = 0;
            for (; token <= tokens - Tokens; token += Tokens)
                MultiplyFour<T>(x, token, first, blocks, panel, sums + (token * TokenSums));
            for (; token < tokens; token++)
                MultiplyOne<T>(x, token, first, blocks, panel, sums + (token * TokenSums));
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
                    if (T.HasOffsets) panel.Offsets[(part / 2 * Rows * 2) + (r * 2) + (part % 2)] = (short)T.Offset(source, part);

                    // A block of one part has only the first of the two.
                    if (T.HasOffsets && parts == 1) panel.Offsets[(r * 2) + 1] = 0;
                }

                Lanes.Transpose(firsts, (int*)panel.Integers, Rows);
                Lanes.Transpose(seconds, (int*)panel.Integers + (PartPairs / 2 * Rows), Rows);
                panel.Integers += PartPairs * Rows * 2;
            }

            Halves(rows, offset + T.ScaleAt).Store(panel.Scales);
            if (T.HasOffsets)
            {
                Halves(rows, offset + T.ScaleAt + sizeof(ushort)).Store(panel.OffsetScales);
                panel.Offsets += (parts + 1) / 2 * Rows * 2;
                panel.OffsetScales += Rows;
            }

            panel.Scales += Rows;
        }
    }

    /// <summary>Sixteen rows with four tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyFour<T>(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        nint stride = inputs.Blocks, parts = T.Type.BlockElements() / PartElements;
        float* scales = inputs.Scales(token) + firstBlock;
        short* partSums = inputs.Sums(token) + (firstBlock * parts);
        int* x = inputs.Pairs(token) + (firstBlock * parts * PartPairs * Tokens);
        short* integers = panel.Integers;
        for (int block = firstBlock; block < firstBlock + blocks; block++)
        {
            Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
            Vector256<int> b0 = default, b1 = default, b2 = default, b3 = default;
            for (int* end = x + (parts * PartPairs * Tokens); x < end; x += Tokens, integers += 2 * Rows)
            {
                Vector256<short> a = Vector256.Load(integers);
                Vector256<short> b = Vector256.Load(integers + Rows);
                Vector256<short> pair = Vector256.Create(x[0]).AsInt16();
                a0 += SmallIntegers.MultiplyAddPairs(a, pair);
                b0 += SmallIntegers.MultiplyAddPairs(b, pair);
                pair = Vector256.Create(x[1]).AsInt16();
                a1 += SmallIntegers.MultiplyAddPairs(a, pair);
                b1 += SmallIntegers.MultiplyAddPairs(b, pair);
                pair = Vector256.Create(x[2]).AsInt16();
                a2 += SmallIntegers.MultiplyAddPairs(a, pair);
                b2 += SmallIntegers.MultiplyAddPairs(b, pair);
                pair = Vector256.Create(x[3]).AsInt16();
                a3 += SmallIntegers.MultiplyAddPairs(a, pair);
                b3 += SmallIntegers.MultiplyAddPairs(b, pair);
            }

            float* lane = sums + (block % Lanes.Count * Rows);
            AddBlock<T>(scales, partSums, a0, b0, panel, lane);
            AddBlock<T>(scales + stride, partSums + (stride * parts), a1, b1, panel, lane + TokenSums);
            AddBlock<T>(scales + (2 * stride), partSums + (2 * stride * parts), a2, b2, panel, lane + (2 * TokenSums));
            AddBlock<T>(scales + (3 * stride), partSums + (3 * stride * parts), a3, b3, panel, lane + (3 * TokenSums));
            scales++;
            partSums += parts;
            panel = panel.NextFactors<T>();
        }
    }

    /// <summary>Sixteen rows with one token.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyOne<T>(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        int parts = T.Type.BlockElements() / PartElements;
        float* scales = inputs.Scales(token) + firstBlock;
        short* partSums = inputs.Sums(token) + (firstBlock * parts);
        int* x = inputs.Pairs(token) + (firstBlock * parts * PartPairs * Tokens);
        short* integers = panel.Integers;
        for (int block = firstBlock; block < firstBlock + blocks; block++)
        {
            Vector256<int> a = default, b = default;
            for (int* end = x + (parts * PartPairs * Tokens); x < end; x += Tokens, integers += 2 * Rows)
            {
                Vector256<short> pair = Vector256.Create(*x).AsInt16();
                a += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers), pair);
                b += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers + Rows), pair);
            }

            AddBlock<T>(scales, partSums, a, b, panel, sums + (block % Lanes.Count * Rows));
            scales++;
            partSums += parts;
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
                a += SmallIntegers.MultiplyAddPairs(Vector256.Load(panel.Offsets + (pair * Rows * 2)), x);
                b += SmallIntegers.MultiplyAddPairs(Vector256.Load(panel.Offsets + (pair * Rows * 2) + Rows), x);
            }

            sumsA = Vector256.FusedMultiplyAdd(
                Vector256.ConvertToSingle(a), inputScale * Vector256.Load(panel.OffsetScales), sumsA);
            sumsB = Vector256.FusedMultiplyAdd(
                Vector256.ConvertToSingle(b), inputScale * Vector256.Load(panel.OffsetScales + GroupRows), sumsB);
        }

        sumsA.Store(sums);
        sumsB.Store(sums + GroupRows);
    }

    /// <summary>The half-precision numbers at the same place of eight rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(byte** rows, nint offset) =>
        HalfBits.ToSingle(Vector128.Create(
            Unsafe.ReadUnaligned<ushort>(rows[0] + offset), Unsafe.ReadUnaligned<ushort>(rows[1] + offset),
            Unsafe.ReadUnaligned<ushort>(rows[2] + offset), Unsafe.ReadUnaligned<ushort>(rows[3] + offset),
            Unsafe.ReadUnaligned<ushort>(rows[4] + offset), Unsafe.ReadUnaligned<ushort>(rows[5] + offset),
            Unsafe.ReadUnaligned<ushort>(rows[6] + offset), Unsafe.ReadUnaligned<ushort>(rows[7] + offset)));

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
            Offsets = Offsets + (((T.Type.BlockElements() / PartElements) + 1) / 2 * Rows * 2),
            Scales = Scales + Rows,
            OffsetScales = OffsetScales + Rows,
        };
    }
}
