using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products with four-bit weights that lie as <see cref="InterleavedRows{T}"/> says: four columns of eight rows meet four inputs of a
/// token, and sixteen bits hold the sum of a part. Several tokens go by four, with sixteen rows; others eight rows at a time, one stream of addresses.
/// </summary>
internal static unsafe class InterleavedProduct
{
    private const int GroupTokens = RoundedInputs.GroupTokens;
    private const int PartQuads = BlockRows.PartElements / 4;

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector; see <see cref="BlockProduct"/>.</summary>
    /// <exception cref="ArgumentException">The first row is not the first of eight that lie side by side.</exception>
    public static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y)
        where T : struct, ILevelFormat
    {
        if (firstRow % Lanes.Count != 0) throw new ArgumentException($"rows from {firstRow} on, in groups of {Lanes.Count}", nameof(firstRow));
        for (int row = firstRow; row < endRow; row += 2 * Lanes.Count)
        {
            byte* group = weights.Group(row);
            int second = row + Lanes.Count, rows = Math.Min(Lanes.Count, endRow - row), secondRows = Math.Min(Lanes.Count, endRow - second);
            float* target = y + row;
            int token = 0;
            if (secondRows > 0)
            {
                for (; token <= tokens - GroupTokens; token += GroupTokens, target += (long)GroupTokens * weights.Rows)
                    MultiplyFour<T>(group, weights.Group(second), x, token, target, weights.Rows, secondRows);
            }

            for (; token < tokens; token++, target += weights.Rows)
            {
                MultiplyOne<T>(group, x, token, target, rows);
                if (secondRows > 0) MultiplyOne<T>(weights.Group(second), x, token, target + Lanes.Count, secondRows);
            }
        }
    }

    /// <summary>
    /// Eight rows with one token. Optimised at once, as the other one, for the first token of a process must not wait for the compiler's
    /// tiers.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyOne<T>(byte* block, RoundedInputs inputs, int token, float* target, int rows)
        where T : struct, ILevelFormat
    {
        Vector256<float>* lanes = stackalloc Vector256<float>[Lanes.Count];
        int* x = (int*)inputs.Bytes(token);
        float* scales = inputs.Scales(token);
        short* sums = inputs.Sums(token);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            byte* levels = block + InterleavedRows<T>.LevelsAt;
            Vector256<int> dot = Vector256<int>.Zero;
            for (int part = 0; part < InterleavedRows<T>.Parts; part++)
            {
                Vector256<short> sum = Dot(levels, x) + Dot(levels + 32, x + 1) + (Dot(levels + 64, x + 2) + Dot(levels + 96, x + 3));
                dot += SmallIntegers.MultiplyAddPairs(sum, Factors<T>(block, part));
                levels += InterleavedRows<T>.PartBytes;
                x += PartQuads;
            }

            Vector256<float> lane = lanes[i % Lanes.Count], scale = Vector256.Create(scales[i]);
            lane = AddLevels<T>(dot, scale * Halves(block), sums, lane);
            if (T.HasOffsets) lane = AddOffsets<T>(block, scale * Halves(block + 16), sums, lane);
            lanes[i % Lanes.Count] = lane;
            sums += InterleavedRows<T>.Parts;
            block = levels;
        }

        Store((float*)lanes, Lanes.Count, target, rows);
    }

    /// <summary>Sixteen rows with four tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyFour<T>(
        byte* blockA, byte* blockB, RoundedInputs inputs, int token, float* target, int outputs, int secondRows)
        where T : struct, ILevelFormat
    {
        const int LaneStride = 2 * Lanes.Count * GroupTokens;
        float* lanes = stackalloc float[Lanes.Count * LaneStride];
        Vector256<int>* dots = stackalloc Vector256<int>[2 * GroupTokens];
        int* x = inputs.Quads(token);
        float* scales = inputs.Scales(token);
        short* sums = inputs.Sums(token);
        nint stride = inputs.Blocks;
        for (int i = 0; i < inputs.Blocks; i++)
        {
            byte* levelsA = blockA + InterleavedRows<T>.LevelsAt, levelsB = blockB + InterleavedRows<T>.LevelsAt;
            for (int part = 0; part < InterleavedRows<T>.Parts; part++)
            {
                Vector256<short> a0 = default, a1 = default, a2 = default, a3 = default;
                Vector256<short> b0 = default, b1 = default, b2 = default, b3 = default;
                for (byte* end = levelsA + InterleavedRows<T>.PartBytes; levelsA < end; levelsA += 32, levelsB += 32, x += GroupTokens)
                {
                    Vector256<byte> a = Lower(levelsA), b = Lower(levelsB);
                    Vector256<sbyte> quad = Vector256.Create(x[0]).AsSByte();
                    a0 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b0 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[1]).AsSByte();
                    a1 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b1 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[2]).AsSByte();
                    a2 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b2 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[3]).AsSByte();
                    a3 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b3 += SmallIntegers.MultiplyAddPairs(b, quad);

                    a = Upper(levelsA);
                    b = Upper(levelsB);
                    quad = Vector256.Create(x[16]).AsSByte();
                    a0 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b0 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[17]).AsSByte();
                    a1 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b1 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[18]).AsSByte();
                    a2 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b2 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[19]).AsSByte();
                    a3 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b3 += SmallIntegers.MultiplyAddPairs(b, quad);
                }

                x += PartQuads / 2 * GroupTokens;
                Vector256<short> factors = Factors<T>(blockA, part);
                Add<T>(ref dots[0], a0, factors, part);
                Add<T>(ref dots[1], a1, factors, part);
                Add<T>(ref dots[2], a2, factors, part);
                Add<T>(ref dots[3], a3, factors, part);
                factors = Factors<T>(blockB, part);
                Add<T>(ref dots[4], b0, factors, part);
                Add<T>(ref dots[5], b1, factors, part);
                Add<T>(ref dots[6], b2, factors, part);
                Add<T>(ref dots[7], b3, factors, part);
            }

            AddBlocks<T>(blockA, blockB, dots, scales + i, stride, sums, lanes + (i % Lanes.Count * LaneStride));
            sums += InterleavedRows<T>.Parts;
            blockA = levelsA;
            blockB = levelsB;
        }

        for (int t = 0; t < GroupTokens; t++, lanes += 2 * Lanes.Count, target += outputs)
        {
            Store(lanes, LaneStride, target, Lanes.Count);
            Store(lanes + Lanes.Count, LaneStride, target + Lanes.Count, secondRows);
        }
    }

    /// <summary>Adds a block of sixteen rows to the lanes of four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBlocks<T>(
        byte* blockA, byte* blockB, Vector256<int>* dots, float* scales, nint stride, short* sums, float* lanes)
        where T : struct, ILevelFormat
    {
        Vector256<float> scaleA = Halves(blockA), scaleB = Halves(blockB);
        Vector256<float> offsetScaleA = T.HasOffsets ? Halves(blockA + 16) : default, offsetScaleB = T.HasOffsets ? Halves(blockB + 16) : default;
        for (int t = 0; t < GroupTokens; t++)
        {
            Vector256<float> scale = Vector256.Create(*scales);
            Vector256<int> a = dots[t], b = dots[GroupTokens + t];
            if (T.Bias != 0)
            {
                Vector256<int> bias = Vector256.Create(T.Bias * *sums);
                a -= bias;
                b -= bias;
            }

            Vector256<float> laneA = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(a), scale * scaleA, Vector256.Load(lanes));
            Vector256<float> laneB = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(b), scale * scaleB, Vector256.Load(lanes + Lanes.Count));
            if (T.HasOffsets)
            {
                laneA = AddOffsets<T>(blockA, scale * offsetScaleA, sums, laneA);
                laneB = AddOffsets<T>(blockB, scale * offsetScaleB, sums, laneB);
            }

            laneA.Store(lanes);
            laneB.Store(lanes + Lanes.Count);
            lanes += 2 * Lanes.Count;
            scales += stride;
            sums += stride * InterleavedRows<T>.Parts;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> AddLevels<T>(Vector256<int> dot, Vector256<float> scale, short* sums, Vector256<float> lane)
        where T : struct, ILevelFormat
    {
        if (T.Bias != 0) dot -= Vector256.Create(T.Bias * *sums);
        return Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dot), scale, lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> AddOffsets<T>(byte* block, Vector256<float> scale, short* sums, Vector256<float> lane)
        where T : struct, ILevelFormat
    {
        // Without factors of its own a part's offset is its scale.
        Vector256<int> sum = T.HasFactors ? Vector256<int>.Zero : Vector256.Create((int)*sums);
        for (int pair = 0; T.HasFactors && pair < InterleavedRows<T>.Parts / 2; pair++)
        {
            Vector128<sbyte> offsets = Vector128.Load((sbyte*)block + InterleavedRows<T>.OffsetsAt + (pair * 2 * Lanes.Count));
            Vector256<short> x = Vector256.Create(Unsafe.ReadUnaligned<int>(sums + (2 * pair))).AsInt16();
            sum += SmallIntegers.MultiplyAddPairs(SmallIntegers.Widen(offsets), x);
        }

        return Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sum), scale, lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<T>(ref Vector256<int> dot, Vector256<short> sum, Vector256<short> factors, int part)
        where T : struct, ILevelFormat
    {
        Vector256<int> product = SmallIntegers.MultiplyAddPairs(sum, factors);
        dot = part == 0 ? product : dot + product;
    }

    /// <summary>A part's factor of each row, twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Factors<T>(byte* block, int part)
        where T : struct, ILevelFormat
    {
        if (!T.HasFactors) return Vector256<short>.One;
        Vector128<sbyte> bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(block + InterleavedRows<T>.FactorsAt + (part * Lanes.Count))).AsSByte();
        return SmallIntegers.Widen(Vector128.Shuffle(bytes, Vector128.Create(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)));
    }

    /// <summary>Columns of one vector with a token's quads: those in the lower nibbles, and those in the upper ones, sixteen further.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Dot(byte* levels, int* x) =>
        SmallIntegers.MultiplyAddPairs(Lower(levels), Vector256.Create(x[0]).AsSByte())
        + SmallIntegers.MultiplyAddPairs(Upper(levels), Vector256.Create(x[PartQuads / 2]).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Lower(byte* levels) => Vector256.Load(levels) & Vector256.Create((byte)0x0f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Upper(byte* levels) => (Vector256.Load(levels).AsUInt16() >>> 4).AsByte() & Vector256.Create((byte)0x0f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(byte* source) => HalfBits.ToSingle(Vector128.Load((ushort*)source));

    /// <summary>Adds the lanes of eight rows, in the tree of <see cref="Lanes.Sum"/>.</summary>
    private static void Store(float* lanes, int stride, float* target, int rows)
    {
        Vector256<float> even = Add(lanes, stride, 0, 4) + Add(lanes, stride, 2, 6), odd = Add(lanes, stride, 1, 5) + Add(lanes, stride, 3, 7);
        if (rows == Lanes.Count) (even + odd).Store(target);
        else Lanes.StorePartial(even + odd, target, rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(float* lanes, int stride, int lane, int other) =>
        Vector256.Load(lanes + (lane * stride)) + Vector256.Load(lanes + (other * stride));
}
