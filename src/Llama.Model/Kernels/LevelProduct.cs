using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products with interleaved rows of levels (<see cref="LevelRows{T}"/>): four columns of eight rows, a quad, meet four inputs of a token. Two
/// of the columns are of a part's first half and two of its second, so that words hold the sums of halves, and meet their factors.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal readonly unsafe struct LevelProduct<T> : IInterleavedProduct
    where T : struct, ILevelFormat
{
    private const int GroupTokens = RoundedInputs.GroupTokens;
    private const int PartQuads = LevelVectors<T>.PartQuads;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOne(byte* block, RoundedInputs inputs, int token, float* lanes, float* zeros)
    {
        int* x = inputs.OwnQuads(token);
        float* scales = inputs.Scales(token);
        int* halfSums = inputs.PairsOfSums(token);
        short* sums = inputs.Sums(token, LevelRows<T>.OffsetElements);
        Vector256<byte> lower = LevelVectors<T>.Table(0), upper = LevelVectors<T>.Table(1);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            byte* levels = block + LevelRows<T>.LevelsAt;
            Vector256<int> dot = Vector256<int>.Zero;
            for (int part = 0; part < LevelRows<T>.Parts; part++)
            {
                Vector256<short> factors = LevelVectors<T>.Factors(block, part);
                dot += Dot(levels, x, factors, lower, upper);
                if (T.Bias != 0) dot += SmallIntegers.MultiplyAddPairs(LevelVectors<T>.Biases(factors), Vector256.Create(*halfSums).AsInt16());
                levels += LevelRows<T>.PartBytes;
                x += PartQuads;
                halfSums++;
            }

            float* place = lanes + (i % Lanes.Count * Lanes.Count);
            Vector256<float> scale = Vector256.Create(scales[i]);
            Vector256<float> lane = Vector256.Load(i < Lanes.Count ? zeros : place);
            lane = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dot), scale * LevelVectors<T>.Scales(block), lane);
            if (T.HasOffsets) lane = AddOffsets(block, scale * LevelVectors<T>.OffsetScales(block), sums, lane);
            lane.Store(place);
            sums += LevelRows<T>.OffsetSums;
            block = levels;
        }
    }

    /// <inheritdoc/>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyFour(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros)
    {
        if (TableProduct<T>.Serves)
        {
            TableProduct<T>.MultiplyFour(
                blockA, blockB, inputs, token, next, lanes, InterleavedProduct<LevelProduct<T>>.GroupSums, 2 * Lanes.Count, zeros);
            return;
        }

        Vector256<int>* dots = stackalloc Vector256<int>[2 * GroupTokens];
        int* x = inputs.Quads(token);
        float* scales = inputs.Scales(token);
        int* halfSums = inputs.PairsOfSums(token);
        short* sums = inputs.Sums(token, LevelRows<T>.OffsetElements);
        nint stride = inputs.Blocks, halfStride = stride * LevelRows<T>.Parts;
        int step = LevelRows<T>.LowerBits * GroupTokens;
        Vector256<byte> lower = LevelVectors<T>.Table(0), upper = LevelVectors<T>.Table(1);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            if (next != 0)
            {
                Prefetch.Near(blockA + next, LevelRows<T>.BlockBytes);
                Prefetch.Near(blockB + next, LevelRows<T>.BlockBytes);
            }

            byte* levelsA = blockA + LevelRows<T>.LevelsAt, levelsB = blockB + LevelRows<T>.LevelsAt;
            Vector256<int> d0 = default, d1 = default, d2 = default, d3 = default, d4 = default, d5 = default, d6 = default, d7 = default;
            for (int part = 0; part < LevelRows<T>.Parts; part++)
            {
                Vector256<short> factorsA = LevelVectors<T>.Factors(blockA, part), factorsB = LevelVectors<T>.Factors(blockB, part);
                if (T.Bias != 0)
                {
                    Vector256<short> biasA = LevelVectors<T>.Biases(factorsA), biasB = LevelVectors<T>.Biases(factorsB);
                    Vector256<short> pair = Vector256.Create(halfSums[0]).AsInt16();
                    AddSums(pair, pair, biasA, biasB, ref d0, ref d4);
                    pair = Vector256.Create(halfSums[halfStride]).AsInt16();
                    AddSums(pair, pair, biasA, biasB, ref d1, ref d5);
                    pair = Vector256.Create(halfSums[2 * halfStride]).AsInt16();
                    AddSums(pair, pair, biasA, biasB, ref d2, ref d6);
                    pair = Vector256.Create(halfSums[3 * halfStride]).AsInt16();
                    AddSums(pair, pair, biasA, biasB, ref d3, ref d7);
                    halfSums++;
                }

                for (int plane = 0; plane < LevelVectors<T>.Planes; plane++)
                {
                    Vector256<byte> table = plane == 0 ? lower : upper;
                    int v = 0;
                    do
                    {
                        Vector256<short> a0 = default, a1 = default, a2 = default, a3 = default;
                        Vector256<short> b0 = default, b1 = default, b2 = default, b3 = default;
                        int end = v + (LevelVectors<T>.SumQuads * LevelRows<T>.LowerBits / PartQuads);
                        do
                        {
                            Vector256<byte> vectorA = Vector256.Load(levelsA + (32 * v)), restA = LevelVectors<T>.Rest(levelsA, v);
                            Vector256<byte> vectorB = Vector256.Load(levelsB + (32 * v)), restB = LevelVectors<T>.Rest(levelsB, v);
                            int* at = x + (v * GroupTokens);
                            AddQuad(
                                at, Quad(vectorA, restA, 0, table), Quad(vectorB, restB, 0, table),
                                ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
                            AddQuad(
                                at + step, Quad(vectorA, restA, 1, table), Quad(vectorB, restB, 1, table),
                                ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
                            if (LevelRows<T>.LowerBits == 2)
                            {
                                AddQuad(
                                    at + (2 * step), Quad(vectorA, restA, 2, table), Quad(vectorB, restB, 2, table),
                                    ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
                                AddQuad(
                                    at + (3 * step), Quad(vectorA, restA, 3, table), Quad(vectorB, restB, 3, table),
                                    ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
                            }
                        }
                        while (++v < end);

                        AddSums(a0, b0, factorsA, factorsB, ref d0, ref d4);
                        AddSums(a1, b1, factorsA, factorsB, ref d1, ref d5);
                        AddSums(a2, b2, factorsA, factorsB, ref d2, ref d6);
                        AddSums(a3, b3, factorsA, factorsB, ref d3, ref d7);
                    }
                    while (v < LevelRows<T>.LowerBits);

                    if (T.HasTable) (factorsA, factorsB) = (factorsA << 4, factorsB << 4);
                }

                x += PartQuads * GroupTokens;
                levelsA += LevelRows<T>.PartBytes;
                levelsB += LevelRows<T>.PartBytes;
            }

            (dots[0], dots[1], dots[2], dots[3], dots[4], dots[5], dots[6], dots[7]) = (d0, d1, d2, d3, d4, d5, d6, d7);
            float* lane = lanes + (i % Lanes.Count * InterleavedProduct<LevelProduct<T>>.GroupSums);
            float* before = i < Lanes.Count ? zeros : lane;
            for (int group = 0; group < 2; group++)
            {
                int at = group * Lanes.Count;
                AddBlock(group == 0 ? blockA : blockB, dots + (group * GroupTokens), scales + i, stride, sums, before + at, lane + at);
            }

            sums += LevelRows<T>.OffsetSums;
            blockA = levelsA;
            blockB = levelsB;
        }
    }

    /// <inheritdoc/>
    public static void MultiplyOneWide(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros) =>
        WideLevels<T>.MultiplyOne(blockA, blockB, inputs, token, next, lanes, zeros);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyEightWide(
        byte* block, nint group, RoundedInputs inputs, int token, int others, bool asks, float* lanes, float* zeros)
    {
        if (WideNibbles<T>.Serves)
        {
            WideNibbles<T>.MultiplyEight(block, group, inputs, token, others, asks, lanes, zeros);
            return;
        }

        // Sixteen rows at a time: the sums of parts and those of blocks would not fit the registers for more.
        nint next = asks ? 4 * group : 0;
        for (int half = 0; half < 2; half++, block += 2 * group, lanes += 2 * Lanes.Count)
        {
            if (TableProduct<T>.Serves)
            {
                const int LaneSums = InterleavedProduct<LevelProduct<T>>.WideSums, TokenSums = LaneSums / (2 * GroupTokens);
                TableProduct<T>.MultiplyFour(block, block + group, inputs, token, next, lanes, LaneSums, TokenSums, zeros);
                TableProduct<T>.MultiplyFour(block, block + group, inputs, others, 0, lanes + (GroupTokens * TokenSums), LaneSums, TokenSums, zeros);
            }
            else
            {
                WideLevels<T>.MultiplyEight(block, block + group, inputs, token, others, next, lanes, zeros);
            }
        }
    }

    /// <summary>A part of eight rows with a token's quads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(byte* levels, int* x, Vector256<short> factors, Vector256<byte> lower, Vector256<byte> upper)
    {
        LevelVectors<T>.Unpack(levels, out var q0, out var q1, out var q2, out var q3, out var q4, out var q5, out var q6, out var q7);
        if (T.HasTable)
        {
            return SmallIntegers.MultiplyAddPairs(
                    Dot(LevelVectors<T>.Look(lower, q0), LevelVectors<T>.Look(lower, q1), x)
                    + Dot(LevelVectors<T>.Look(lower, q2), LevelVectors<T>.Look(lower, q3), x + 2)
                    + Dot(LevelVectors<T>.Look(lower, q4), LevelVectors<T>.Look(lower, q5), x + 4)
                    + Dot(LevelVectors<T>.Look(lower, q6), LevelVectors<T>.Look(lower, q7), x + 6), factors)
                + SmallIntegers.MultiplyAddPairs(
                    Dot(LevelVectors<T>.Look(upper, q0), LevelVectors<T>.Look(upper, q1), x)
                    + Dot(LevelVectors<T>.Look(upper, q2), LevelVectors<T>.Look(upper, q3), x + 2)
                    + Dot(LevelVectors<T>.Look(upper, q4), LevelVectors<T>.Look(upper, q5), x + 4)
                    + Dot(LevelVectors<T>.Look(upper, q6), LevelVectors<T>.Look(upper, q7), x + 6), factors << 4);
        }

        Vector256<short> s01 = Dot(q0, q1, x), s23 = Dot(q2, q3, x + 2), s45 = Dot(q4, q5, x + 4), s67 = Dot(q6, q7, x + 6);
        return LevelVectors<T>.SumQuads switch
        {
            2 => SmallIntegers.MultiplyAddPairs(s01, factors) + SmallIntegers.MultiplyAddPairs(s23, factors)
                + (SmallIntegers.MultiplyAddPairs(s45, factors) + SmallIntegers.MultiplyAddPairs(s67, factors)),
            4 => SmallIntegers.MultiplyAddPairs(s01 + s23, factors) + SmallIntegers.MultiplyAddPairs(s45 + s67, factors),
            _ => SmallIntegers.MultiplyAddPairs(s01 + s23 + (s45 + s67), factors),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Dot(Vector256<byte> q0, Vector256<byte> q1, int* x) =>
        SmallIntegers.MultiplyAddPairs(q0, Vector256.Create(x[0]).AsSByte()) + SmallIntegers.MultiplyAddPairs(q1, Vector256.Create(x[1]).AsSByte());

    /// <summary>A quad of those that share a vector, or what its levels stand for in a plane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Quad(Vector256<byte> lower, Vector256<byte> rest, int place, Vector256<byte> table)
    {
        Vector256<byte> levels = LevelVectors<T>.Level(lower, rest, place);
        return T.HasTable ? LevelVectors<T>.Look(table, levels) : levels;
    }

    /// <summary>Adds the products of a quad of sixteen rows with the bytes of four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuad(
        int* x, Vector256<byte> a, Vector256<byte> b, ref Vector256<short> a0, ref Vector256<short> a1, ref Vector256<short> a2, ref Vector256<short> a3,
        ref Vector256<short> b0, ref Vector256<short> b1, ref Vector256<short> b2, ref Vector256<short> b3)
    {
        Vector256<sbyte> bytes = Vector256.Create(x[0]).AsSByte();
        a0 += SmallIntegers.MultiplyAddPairs(a, bytes);
        b0 += SmallIntegers.MultiplyAddPairs(b, bytes);
        bytes = Vector256.Create(x[1]).AsSByte();
        a1 += SmallIntegers.MultiplyAddPairs(a, bytes);
        b1 += SmallIntegers.MultiplyAddPairs(b, bytes);
        bytes = Vector256.Create(x[2]).AsSByte();
        a2 += SmallIntegers.MultiplyAddPairs(a, bytes);
        b2 += SmallIntegers.MultiplyAddPairs(b, bytes);
        bytes = Vector256.Create(x[3]).AsSByte();
        a3 += SmallIntegers.MultiplyAddPairs(a, bytes);
        b3 += SmallIntegers.MultiplyAddPairs(b, bytes);
    }

    /// <summary>Adds words of sixteen rows, times factors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums(
        Vector256<short> a, Vector256<short> b, Vector256<short> factorsA, Vector256<short> factorsB, ref Vector256<int> dotA, ref Vector256<int> dotB)
    {
        dotA += SmallIntegers.MultiplyAddPairs(a, factorsA);
        dotB += SmallIntegers.MultiplyAddPairs(b, factorsB);
    }

    /// <summary>Adds a block of eight rows of sixteen to the lanes of four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBlock(byte* block, Vector256<int>* dots, float* scales, nint stride, short* sums, float* before, float* lanes)
    {
        Vector256<float> blockScale = LevelVectors<T>.Scales(block), offsetScale = T.HasOffsets ? LevelVectors<T>.OffsetScales(block) : default;
        for (int t = 0; t < GroupTokens; t++)
        {
            Vector256<float> scale = Vector256.Create(*scales);
            Vector256<float> lane = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dots[t]), scale * blockScale, Vector256.Load(before));
            if (T.HasOffsets)
            {
                lane = AddOffsets(block, scale * offsetScale, sums, lane);
                sums += stride * LevelRows<T>.OffsetSums;
            }

            lane.Store(lanes);
            before += 2 * Lanes.Count;
            lanes += 2 * Lanes.Count;
            scales += stride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> AddOffsets(byte* block, Vector256<float> scale, short* sums, Vector256<float> lane)
    {
        Vector256<int> sum = default;
        for (int pair = 0; pair < LevelRows<T>.OffsetSums / 2; pair++)
        {
            Vector256<short> x = Vector256.Create(Unsafe.ReadUnaligned<int>(sums + (2 * pair))).AsInt16();
            sum += SmallIntegers.MultiplyAddPairs(LevelVectors<T>.Offsets(block, pair), x);
        }

        return Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sum), scale, lane);
    }
}
