using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>Products with interleaved rows of levels in 512-bit vectors, which hold a quad of sixteen rows; see <see cref="LevelProduct{T}"/>.</summary>
/// <typeparam name="T">The format.</typeparam>
internal static unsafe class WideLevels<T>
    where T : struct, ILevelFormat
{
    private const int GroupTokens = RoundedInputs.GroupTokens;
    private const int PartQuads = LevelVectors<T>.PartQuads;
    private const int VectorBytes = 64;

    /// <summary>Most vectors of offsets.</summary>
    private const int MostOffsets = 8;

    /// <summary>Two times eight rows with one token; see <see cref="IInterleavedProduct.MultiplyOneWide"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOne(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros)
    {
        int* x = inputs.OwnQuads(token);
        float* scales = inputs.Scales(token);
        int* halfSums = inputs.PairsOfSums(token);
        short* sums = inputs.Sums(token, LevelRows<T>.OffsetElements);
        Vector512<byte> lower = Table(0), upper = Table(1);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            Prefetch.Near(blockA + next, LevelRows<T>.BlockBytes);
            Prefetch.Near(blockB + next, LevelRows<T>.BlockBytes);
            byte* levelsA = blockA + LevelRows<T>.LevelsAt, levelsB = blockB + LevelRows<T>.LevelsAt;
            Vector512<int> dot = default;
            for (int part = 0; part < LevelRows<T>.Parts; part++)
            {
                Vector512<short> factors = LevelVectors<T>.Factors(blockA, blockB, part);
                dot += Dot(levelsA, levelsB, x, factors, lower, upper);
                if (T.Bias != 0) dot += Avx512BW.MultiplyAddAdjacent(LevelVectors<T>.Biases(factors), Vector512.Create(*halfSums).AsInt16());
                levelsA += LevelRows<T>.PartBytes;
                levelsB += LevelRows<T>.PartBytes;
                x += PartQuads;
                halfSums++;
            }

            Vector512<int> offsetSum = default;
            for (int pair = 0; pair < LevelRows<T>.OffsetSums / 2; pair++)
                offsetSum += DotOffsets(LevelVectors<T>.Offsets(blockA, blockB, pair), sums, pair);
            float* lane = lanes + (i % Lanes.Count * 2 * Lanes.Count);
            AddBlock(dot, Scales(blockA, blockB), offsetSum, OffsetScales(blockA, blockB), scales + i, i < Lanes.Count ? zeros : lane, lane);
            sums += LevelRows<T>.OffsetSums;
            blockA = levelsA;
            blockB = levelsB;
        }
    }

    /// <summary>Two times eight rows with two times four tokens; see <see cref="IInterleavedProduct.MultiplyEightWide"/>.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyEight(byte* blockA, byte* blockB, RoundedInputs inputs, int token, int others, nint next, float* lanes, float* zeros)
    {
        byte* scratch = stackalloc byte[((2 * PartQuads) + MostOffsets + 1) * VectorBytes];

        // Aligned, so that no vector lies in two lines of the cache.
        var quads = (Vector512<byte>*)(((nint)scratch + VectorBytes - 1) & -VectorBytes);
        var offsets = (Vector512<short>*)quads + (2 * PartQuads);
        int* x = inputs.Quads(token);
        int* xB = inputs.Quads(others);
        float* scales = inputs.Scales(token);
        float* scalesB = inputs.Scales(others);
        int* halfSums = inputs.PairsOfSums(token);
        int* halfSumsB = inputs.PairsOfSums(others);
        short* sums = inputs.Sums(token, LevelRows<T>.OffsetElements);
        short* sumsB = inputs.Sums(others, LevelRows<T>.OffsetElements);
        int blocks = inputs.Blocks, offsetSums = LevelRows<T>.OffsetSums;
        nint stride = blocks, halfStride = stride * LevelRows<T>.Parts, sumsStride = stride * offsetSums;
        Vector512<byte> lower = Table(0), upper = Table(1);
        for (int i = 0; i < blocks; i++)
        {
            if (next != 0)
            {
                Prefetch.Near(blockA + next, LevelRows<T>.BlockBytes);
                Prefetch.Near(blockB + next, LevelRows<T>.BlockBytes);
            }

            byte* levelsA = blockA + LevelRows<T>.LevelsAt, levelsB = blockB + LevelRows<T>.LevelsAt;
            Vector512<int> d0 = default, d1 = default, d2 = default, d3 = default, d4 = default, d5 = default, d6 = default, d7 = default;
            for (int part = 0; part < LevelRows<T>.Parts; part++)
            {
                Store(levelsA, levelsB, quads, lower, upper);
                Vector512<short> factors = LevelVectors<T>.Factors(blockA, blockB, part);
                if (T.Bias != 0)
                {
                    Vector512<short> bias = LevelVectors<T>.Biases(factors);
                    d0 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSums[0]).AsInt16());
                    d1 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSums[halfStride]).AsInt16());
                    d2 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSums[2 * halfStride]).AsInt16());
                    d3 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSums[3 * halfStride]).AsInt16());
                    d4 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSumsB[0]).AsInt16());
                    d5 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSumsB[halfStride]).AsInt16());
                    d6 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSumsB[2 * halfStride]).AsInt16());
                    d7 += Avx512BW.MultiplyAddAdjacent(bias, Vector512.Create(halfSumsB[3 * halfStride]).AsInt16());
                    halfSums++;
                    halfSumsB++;
                }

                Vector512<byte>* quad = quads;
                for (int plane = 0; plane < LevelVectors<T>.Planes; plane++)
                {
                    int* at = x;
                    int* atB = xB;
                    for (Vector512<byte>* end = quad + PartQuads; quad < end;)
                    {
                        Vector512<short> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
                        for (Vector512<byte>* last = quad + LevelVectors<T>.SumQuads; quad < last; quad++, at += GroupTokens, atB += GroupTokens)
                        {
                            Vector512<byte> levels = *quad;
                            s0 += Dot(levels, at[0]);
                            s1 += Dot(levels, at[1]);
                            s2 += Dot(levels, at[2]);
                            s3 += Dot(levels, at[3]);
                            s4 += Dot(levels, atB[0]);
                            s5 += Dot(levels, atB[1]);
                            s6 += Dot(levels, atB[2]);
                            s7 += Dot(levels, atB[3]);
                        }

                        d0 += Avx512BW.MultiplyAddAdjacent(s0, factors);
                        d1 += Avx512BW.MultiplyAddAdjacent(s1, factors);
                        d2 += Avx512BW.MultiplyAddAdjacent(s2, factors);
                        d3 += Avx512BW.MultiplyAddAdjacent(s3, factors);
                        d4 += Avx512BW.MultiplyAddAdjacent(s4, factors);
                        d5 += Avx512BW.MultiplyAddAdjacent(s5, factors);
                        d6 += Avx512BW.MultiplyAddAdjacent(s6, factors);
                        d7 += Avx512BW.MultiplyAddAdjacent(s7, factors);
                    }

                    if (T.HasTable) factors <<= 4;
                }

                x += PartQuads * GroupTokens;
                xB += PartQuads * GroupTokens;
                levelsA += LevelRows<T>.PartBytes;
                levelsB += LevelRows<T>.PartBytes;
            }

            float* lane = lanes + (i % Lanes.Count * InterleavedProduct<LevelProduct<T>>.WideSums);
            float* before = i < Lanes.Count ? zeros : lane;
            Vector512<float> scale = Scales(blockA, blockB), offsetScale = OffsetScales(blockA, blockB);
            for (int pair = 0; pair < LevelRows<T>.OffsetSums / 2; pair++) offsets[pair] = LevelVectors<T>.Offsets(blockA, blockB, pair);
            AddBlock(d0, scale, DotOffsets(offsets, sums + (0 * sumsStride)), offsetScale, scales + i + (0 * stride), before + (0 * Lanes.Count), lane + (0 * Lanes.Count));
            AddBlock(d1, scale, DotOffsets(offsets, sums + (1 * sumsStride)), offsetScale, scales + i + (1 * stride), before + (4 * Lanes.Count), lane + (4 * Lanes.Count));
            AddBlock(d2, scale, DotOffsets(offsets, sums + (2 * sumsStride)), offsetScale, scales + i + (2 * stride), before + (8 * Lanes.Count), lane + (8 * Lanes.Count));
            AddBlock(d3, scale, DotOffsets(offsets, sums + (3 * sumsStride)), offsetScale, scales + i + (3 * stride), before + (12 * Lanes.Count), lane + (12 * Lanes.Count));
            AddBlock(d4, scale, DotOffsets(offsets, sumsB + (0 * sumsStride)), offsetScale, scalesB + i + (0 * stride), before + (16 * Lanes.Count), lane + (16 * Lanes.Count));
            AddBlock(d5, scale, DotOffsets(offsets, sumsB + (1 * sumsStride)), offsetScale, scalesB + i + (1 * stride), before + (20 * Lanes.Count), lane + (20 * Lanes.Count));
            AddBlock(d6, scale, DotOffsets(offsets, sumsB + (2 * sumsStride)), offsetScale, scalesB + i + (2 * stride), before + (24 * Lanes.Count), lane + (24 * Lanes.Count));
            AddBlock(d7, scale, DotOffsets(offsets, sumsB + (3 * sumsStride)), offsetScale, scalesB + i + (3 * stride), before + (28 * Lanes.Count), lane + (28 * Lanes.Count));
            sums += offsetSums;
            sumsB += offsetSums;
            blockA = levelsA;
            blockB = levelsB;
        }
    }

    /// <summary>Adds a block of sixteen rows to the lane of a token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBlock(
        Vector512<int> dot, Vector512<float> blockScale, Vector512<int> offsetSum, Vector512<float> offsetScale, float* inputScale, float* before, float* lane)
    {
        Vector512<float> scale = Vector512.Create(*inputScale);
        Vector512<float> sum = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(dot), scale * blockScale, Vector512.Load(before));
        if (T.HasOffsets) sum = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(offsetSum), scale * offsetScale, sum);
        sum.Store(lane);
    }

    /// <summary>A block's offsets, widened once for all tokens, with the sums of a token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> DotOffsets(Vector512<short>* offsets, short* sums)
    {
        Vector512<int> sum = default;
        for (int pair = 0; pair < LevelRows<T>.OffsetSums / 2; pair++) sum += DotOffsets(offsets[pair], sums, pair);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> DotOffsets(Vector512<short> offsets, short* sums, int pair) =>
        Avx512BW.MultiplyAddAdjacent(offsets, Vector512.Create(Unsafe.ReadUnaligned<int>(sums + (2 * pair))).AsInt16());

    /// <summary>The blocks' scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scales(byte* a, byte* b) => Lanes.Join(LevelVectors<T>.Scales(a), LevelVectors<T>.Scales(b));

    /// <summary>The scales of the blocks' offsets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> OffsetScales(byte* a, byte* b) =>
        T.HasOffsets ? Lanes.Join(LevelVectors<T>.OffsetScales(a), LevelVectors<T>.OffsetScales(b)) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Table(int plane)
    {
        Vector256<byte> table = LevelVectors<T>.Table(plane);
        return Vector512.Create(table, table);
    }

    /// <summary>A part of sixteen rows with a token's quads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Dot(byte* a, byte* b, int* x, Vector512<short> factors, Vector512<byte> lower, Vector512<byte> upper)
    {
        LevelVectors<T>.Unpack(a, b, out var q0, out var q1, out var q2, out var q3, out var q4, out var q5, out var q6, out var q7);
        if (T.HasTable)
        {
            Vector512<short> sums = DotBoth(LevelVectors<T>.Look(lower, q0), LevelVectors<T>.Look(lower, q1), x)
                + DotBoth(LevelVectors<T>.Look(lower, q2), LevelVectors<T>.Look(lower, q3), x + 2)
                + (DotBoth(LevelVectors<T>.Look(lower, q4), LevelVectors<T>.Look(lower, q5), x + 4)
                + DotBoth(LevelVectors<T>.Look(lower, q6), LevelVectors<T>.Look(lower, q7), x + 6));
            Vector512<short> upperSums = DotBoth(LevelVectors<T>.Look(upper, q0), LevelVectors<T>.Look(upper, q1), x)
                + DotBoth(LevelVectors<T>.Look(upper, q2), LevelVectors<T>.Look(upper, q3), x + 2)
                + (DotBoth(LevelVectors<T>.Look(upper, q4), LevelVectors<T>.Look(upper, q5), x + 4)
                + DotBoth(LevelVectors<T>.Look(upper, q6), LevelVectors<T>.Look(upper, q7), x + 6));
            return Avx512BW.MultiplyAddAdjacent(sums, factors) + Avx512BW.MultiplyAddAdjacent(upperSums, factors << 4);
        }

        Vector512<short> s01 = DotBoth(q0, q1, x), s23 = DotBoth(q2, q3, x + 2), s45 = DotBoth(q4, q5, x + 4), s67 = DotBoth(q6, q7, x + 6);
        return LevelVectors<T>.SumQuads switch
        {
            2 => Avx512BW.MultiplyAddAdjacent(s01, factors) + Avx512BW.MultiplyAddAdjacent(s23, factors)
                + (Avx512BW.MultiplyAddAdjacent(s45, factors) + Avx512BW.MultiplyAddAdjacent(s67, factors)),
            4 => Avx512BW.MultiplyAddAdjacent(s01 + s23, factors) + Avx512BW.MultiplyAddAdjacent(s45 + s67, factors),
            _ => Avx512BW.MultiplyAddAdjacent(s01 + s23 + (s45 + s67), factors),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> DotBoth(Vector512<byte> q0, Vector512<byte> q1, int* x) => Dot(q0, x[0]) + Dot(q1, x[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Dot(Vector512<byte> levels, int quad) =>
        Avx512BW.MultiplyAddAdjacent(levels, Vector512.Create(quad).AsSByte());

    /// <summary>Stores the quads of a part, plane after plane: unpacked once for all tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(byte* a, byte* b, Vector512<byte>* target, Vector512<byte> lower, Vector512<byte> upper)
    {
        LevelVectors<T>.Unpack(a, b, out var q0, out var q1, out var q2, out var q3, out var q4, out var q5, out var q6, out var q7);
        StoreQuad(target, q0, lower, upper);
        StoreQuad(target + 1, q1, lower, upper);
        StoreQuad(target + 2, q2, lower, upper);
        StoreQuad(target + 3, q3, lower, upper);
        StoreQuad(target + 4, q4, lower, upper);
        StoreQuad(target + 5, q5, lower, upper);
        StoreQuad(target + 6, q6, lower, upper);
        StoreQuad(target + 7, q7, lower, upper);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuad(Vector512<byte>* target, Vector512<byte> quad, Vector512<byte> lower, Vector512<byte> upper)
    {
        *target = T.HasTable ? LevelVectors<T>.Look(lower, quad) : quad;
        if (T.HasTable) target[PartQuads] = LevelVectors<T>.Look(upper, quad);
    }
}
