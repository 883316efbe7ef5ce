using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products with interleaved four-bit rows (<see cref="NibbleRows{T}"/>): four columns of eight rows meet four inputs of a token, and
/// sixteen bits hold the sum of a part.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal readonly unsafe struct NibbleProduct<T> : IInterleavedProduct
    where T : struct, ILevelFormat
{
    private const int GroupTokens = RoundedInputs.GroupTokens;
    private const int PartQuads = BlockRows.PartElements / 4;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOne(byte* block, RoundedInputs inputs, int token, float* lanes, float* zeros)
    {
        int* x = (int*)inputs.Bytes(token);
        float* scales = inputs.Scales(token);
        short* sums = inputs.Sums(token);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            byte* levels = block + NibbleRows<T>.LevelsAt;
            Vector256<int> dot = Vector256<int>.Zero;
            for (int part = 0; part < NibbleRows<T>.Parts; part++)
            {
                Vector256<short> sum = Dot(levels, x) + Dot(levels + 32, x + 1) + (Dot(levels + 64, x + 2) + Dot(levels + 96, x + 3));
                dot += SmallIntegers.MultiplyAddPairs(sum, Factors(block, part));
                levels += NibbleRows<T>.PartBytes;
                x += PartQuads;
            }

            if (T.Bias != 0) dot -= Vector256.Create(T.Bias * *sums);
            float* place = lanes + (i % Lanes.Count * Lanes.Count);
            Vector256<float> scale = Vector256.Create(scales[i]);
            Vector256<float> lane = Vector256.Load(i < Lanes.Count ? zeros : place);
            lane = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(dot), scale * Halves(block), lane);
            if (T.HasOffsets) lane = AddOffsets(block, scale * OffsetHalves(block), sums, lane);
            lane.Store(place);
            sums += NibbleRows<T>.Parts;
            block = levels;
        }
    }

    /// <inheritdoc/>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyFour(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros)
    {
        Vector256<int>* dots = stackalloc Vector256<int>[2 * GroupTokens];
        int* x = inputs.Quads(token);
        float* scales = inputs.Scales(token);
        short* sums = inputs.Sums(token);
        nint stride = inputs.Blocks;
        for (int i = 0; i < inputs.Blocks; i++)
        {
            if (next != 0)
            {
                Prefetch.Near(blockA + next, NibbleRows<T>.BlockBytes);
                Prefetch.Near(blockB + next, NibbleRows<T>.BlockBytes);
            }

            byte* levelsA = blockA + NibbleRows<T>.LevelsAt, levelsB = blockB + NibbleRows<T>.LevelsAt;
            for (int part = 0; part < NibbleRows<T>.Parts; part++)
            {
                Vector256<short> a0 = default, a1 = default, a2 = default, a3 = default;
                Vector256<short> b0 = default, b1 = default, b2 = default, b3 = default;
                for (byte* end = levelsA + NibbleRows<T>.PartBytes; levelsA < end; levelsA += 32, levelsB += 32, x += GroupTokens)
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
                Vector256<short> factors = Factors(blockA, part);
                Add(ref dots[0], a0, factors, part);
                Add(ref dots[1], a1, factors, part);
                Add(ref dots[2], a2, factors, part);
                Add(ref dots[3], a3, factors, part);
                factors = Factors(blockB, part);
                Add(ref dots[4], b0, factors, part);
                Add(ref dots[5], b1, factors, part);
                Add(ref dots[6], b2, factors, part);
                Add(ref dots[7], b3, factors, part);
            }

            float* lane = lanes + (i % Lanes.Count * InterleavedProduct<NibbleProduct<T>>.GroupSums);
            AddBlocks(blockA, blockB, dots, scales + i, stride, sums, i < Lanes.Count ? zeros : lane, lane);
            sums += NibbleRows<T>.Parts;
            blockA = levelsA;
            blockB = levelsB;
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOneWide(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes)
    {
        int* x = (int*)inputs.Bytes(token);
        float* scales = inputs.Scales(token);
        short* sums = inputs.Sums(token);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            Prefetch.Near(blockA + next, NibbleRows<T>.BlockBytes);
            Prefetch.Near(blockB + next, NibbleRows<T>.BlockBytes);
            byte* levelsA = blockA + NibbleRows<T>.LevelsAt, levelsB = blockB + NibbleRows<T>.LevelsAt;
            Vector512<int> dot = default;
            for (int part = 0; part < NibbleRows<T>.Parts; part++)
            {
                Vector512<short> sum = DotBoth(levelsA, levelsB, x) + DotBoth(levelsA + 32, levelsB + 32, x + 1)
                    + (DotBoth(levelsA + 64, levelsB + 64, x + 2) + DotBoth(levelsA + 96, levelsB + 96, x + 3));
                dot += Avx512BW.MultiplyAddAdjacent(sum, Factors(blockA, blockB, part));
                levelsA += NibbleRows<T>.PartBytes;
                levelsB += NibbleRows<T>.PartBytes;
                x += PartQuads;
            }

            AddBlock(
                blockA, blockB, dot, Lanes.Join(Halves(blockA), Halves(blockB)), scales[i], sums, i, lanes + (i % Lanes.Count * 2 * Lanes.Count));
            sums += NibbleRows<T>.Parts;
            blockA = levelsA;
            blockB = levelsB;
        }
    }

    /// <inheritdoc/>
    public static void MultiplyEightWide(
        byte* block, nint group, RoundedInputs inputs, int token, int others, bool asks, float* lanes)
    {
        // Sixteen rows at a time: the sums of parts and those of blocks would not fit the registers for more.
        nint next = asks ? 4 * group : 0;
        MultiplyEight(block, block + group, inputs, token, others, next, lanes);
        MultiplyEight(block + (2 * group), block + (3 * group), inputs, token, others, next, lanes + (2 * Lanes.Count));
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyEight(byte* blockA, byte* blockB, RoundedInputs inputs, int token, int others, nint next, float* lanes)
    {
        int* x = inputs.Quads(token);
        int* xB = inputs.Quads(others);
        float* scales = inputs.Scales(token);
        float* scalesB = inputs.Scales(others);
        short* sums = inputs.Sums(token);
        short* sumsB = inputs.Sums(others);
        nint stride = inputs.Blocks, sumsStride = stride * NibbleRows<T>.Parts;
        for (int i = 0; i < inputs.Blocks; i++)
        {
            if (next != 0)
            {
                Prefetch.Near(blockA + next, NibbleRows<T>.BlockBytes);
                Prefetch.Near(blockB + next, NibbleRows<T>.BlockBytes);
            }

            byte* levelsA = blockA + NibbleRows<T>.LevelsAt, levelsB = blockB + NibbleRows<T>.LevelsAt;
            Vector512<int> d0 = default, d1 = default, d2 = default, d3 = default, d4 = default, d5 = default, d6 = default, d7 = default;
            for (int part = 0; part < NibbleRows<T>.Parts; part++)
            {
                Vector512<short> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
                for (byte* end = levelsA + NibbleRows<T>.PartBytes; levelsA < end; levelsA += 32, levelsB += 32, x += GroupTokens, xB += GroupTokens)
                {
                    Vector512<byte> levels = Lanes.Join(Vector256.Load(levelsA), Vector256.Load(levelsB));
                    Vector512<byte> lower = levels & Vector512.Create((byte)0x0f);
                    Vector512<byte> upper = (levels.AsUInt16() >>> 4).AsByte() & Vector512.Create((byte)0x0f);
                    s0 += Dot(lower, x[0]);
                    s1 += Dot(lower, x[1]);
                    s2 += Dot(lower, x[2]);
                    s3 += Dot(lower, x[3]);
                    s4 += Dot(lower, xB[0]);
                    s5 += Dot(lower, xB[1]);
                    s6 += Dot(lower, xB[2]);
                    s7 += Dot(lower, xB[3]);
                    s0 += Dot(upper, x[16]);
                    s1 += Dot(upper, x[17]);
                    s2 += Dot(upper, x[18]);
                    s3 += Dot(upper, x[19]);
                    s4 += Dot(upper, xB[16]);
                    s5 += Dot(upper, xB[17]);
                    s6 += Dot(upper, xB[18]);
                    s7 += Dot(upper, xB[19]);
                }

                x += PartQuads / 2 * GroupTokens;
                xB += PartQuads / 2 * GroupTokens;
                Vector512<short> factors = Factors(blockA, blockB, part);
                d0 += Avx512BW.MultiplyAddAdjacent(s0, factors);
                d1 += Avx512BW.MultiplyAddAdjacent(s1, factors);
                d2 += Avx512BW.MultiplyAddAdjacent(s2, factors);
                d3 += Avx512BW.MultiplyAddAdjacent(s3, factors);
                d4 += Avx512BW.MultiplyAddAdjacent(s4, factors);
                d5 += Avx512BW.MultiplyAddAdjacent(s5, factors);
                d6 += Avx512BW.MultiplyAddAdjacent(s6, factors);
                d7 += Avx512BW.MultiplyAddAdjacent(s7, factors);
            }

            float* lane = lanes + (i % Lanes.Count * InterleavedProduct<NibbleProduct<T>>.WideSums);
            Vector512<float> scale = Lanes.Join(Halves(blockA), Halves(blockB));
            AddBlock(blockA, blockB, d0, scale, scales[i + (0 * stride)], sums + (0 * sumsStride), i, lane + (0 * Lanes.Count));
            AddBlock(blockA, blockB, d1, scale, scales[i + (1 * stride)], sums + (1 * sumsStride), i, lane + (4 * Lanes.Count));
            AddBlock(blockA, blockB, d2, scale, scales[i + (2 * stride)], sums + (2 * sumsStride), i, lane + (8 * Lanes.Count));
            AddBlock(blockA, blockB, d3, scale, scales[i + (3 * stride)], sums + (3 * sumsStride), i, lane + (12 * Lanes.Count));
            AddBlock(blockA, blockB, d4, scale, scalesB[i + (0 * stride)], sumsB + (0 * sumsStride), i, lane + (16 * Lanes.Count));
            AddBlock(blockA, blockB, d5, scale, scalesB[i + (1 * stride)], sumsB + (1 * sumsStride), i, lane + (20 * Lanes.Count));
            AddBlock(blockA, blockB, d6, scale, scalesB[i + (2 * stride)], sumsB + (2 * sumsStride), i, lane + (24 * Lanes.Count));
            AddBlock(blockA, blockB, d7, scale, scalesB[i + (3 * stride)], sumsB + (3 * sumsStride), i, lane + (28 * Lanes.Count));
            sums += NibbleRows<T>.Parts;
            sumsB += NibbleRows<T>.Parts;
            blockA = levelsA;
            blockB = levelsB;
        }
    }

    /// <summary>Adds block <paramref name="i"/> of sixteen rows to the lane of a token, whose first block finds nothing in it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBlock(
        byte* blockA, byte* blockB, Vector512<int> dot, Vector512<float> blockScale, float inputScale, short* sums, int i, float* place)
    {
        if (T.Bias != 0) dot -= Vector512.Create(T.Bias * *sums);
        Vector512<float> scale = Vector512.Create(inputScale);
        Vector512<float> lane = i < Lanes.Count ? Vector512<float>.Zero : Vector512.Load(place);
        lane = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(dot), scale * blockScale, lane);
        if (T.HasOffsets)
        {
            // Without factors of its own a part's offset is its scale.
            Vector512<int> sum = T.HasFactors ? Vector512<int>.Zero : Vector512.Create((int)*sums);
            for (int pair = 0; T.HasFactors && pair < NibbleRows<T>.Parts / 2; pair++)
            {
                int at = NibbleRows<T>.OffsetsAt + (pair * 2 * Lanes.Count);
                Vector256<sbyte> offsets = Vector256.Create(Vector128.Load((sbyte*)blockA + at), Vector128.Load((sbyte*)blockB + at));
                Vector512<short> x = Vector512.Create(Unsafe.ReadUnaligned<int>(sums + (2 * pair))).AsInt16();
                sum += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(offsets), x);
            }

            Vector512<float> offsetScale = scale * Lanes.Join(OffsetHalves(blockA), OffsetHalves(blockB));
            lane = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(sum), offsetScale, lane);
        }

        lane.Store(place);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Factors(byte* blockA, byte* blockB, int part) =>
        T.HasFactors ? Lanes.Join(Factors(blockA, part), Factors(blockB, part)) : Vector512<short>.One;

    /// <summary>Columns of sixteen rows with a token's quads; see <see cref="Dot(byte*, int*)"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> DotBoth(byte* levelsA, byte* levelsB, int* x)
    {
        Vector512<byte> levels = Lanes.Join(Vector256.Load(levelsA), Vector256.Load(levelsB));
        Vector512<byte> upper = (levels.AsUInt16() >>> 4).AsByte() & Vector512.Create((byte)0x0f);
        return Dot(levels & Vector512.Create((byte)0x0f), x[0]) + Dot(upper, x[PartQuads / 2]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Dot(Vector512<byte> levels, int quad) =>
        Avx512BW.MultiplyAddAdjacent(levels, Vector512.Create(quad).AsSByte());

    /// <summary>Adds a block of sixteen rows to the lanes of four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBlocks(
        byte* blockA, byte* blockB, Vector256<int>* dots, float* scales, nint stride, short* sums, float* before, float* lanes)
    {
        Vector256<float> scaleA = Halves(blockA), scaleB = Halves(blockB);
        Vector256<float> offsetScaleA = T.HasOffsets ? OffsetHalves(blockA) : default, offsetScaleB = T.HasOffsets ? OffsetHalves(blockB) : default;
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

            Vector256<float> laneA = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(a), scale * scaleA, Vector256.Load(before));
            Vector256<float> laneB = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(b), scale * scaleB, Vector256.Load(before + Lanes.Count));
            if (T.HasOffsets)
            {
                laneA = AddOffsets(blockA, scale * offsetScaleA, sums, laneA);
                laneB = AddOffsets(blockB, scale * offsetScaleB, sums, laneB);
            }

            laneA.Store(lanes);
            laneB.Store(lanes + Lanes.Count);
            before += 2 * Lanes.Count;
            lanes += 2 * Lanes.Count;
            scales += stride;
            sums += stride * NibbleRows<T>.Parts;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> AddOffsets(byte* block, Vector256<float> scale, short* sums, Vector256<float> lane)
    {
        // Without factors of its own a part's offset is its scale.
        Vector256<int> sum = T.HasFactors ? Vector256<int>.Zero : Vector256.Create((int)*sums);
        for (int pair = 0; T.HasFactors && pair < NibbleRows<T>.Parts / 2; pair++)
        {
            Vector128<sbyte> offsets = Vector128.Load((sbyte*)block + NibbleRows<T>.OffsetsAt + (pair * 2 * Lanes.Count));
            Vector256<short> x = Vector256.Create(Unsafe.ReadUnaligned<int>(sums + (2 * pair))).AsInt16();
            sum += SmallIntegers.MultiplyAddPairs(SmallIntegers.Widen(offsets), x);
        }

        return Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sum), scale, lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(ref Vector256<int> dot, Vector256<short> sum, Vector256<short> factors, int part)
    {
        Vector256<int> product = SmallIntegers.MultiplyAddPairs(sum, factors);
        dot = part == 0 ? product : dot + product;
    }

    /// <summary>A part's factor of each row, twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Factors(byte* block, int part)
    {
        if (!T.HasFactors) return Vector256<short>.One;
        Vector128<sbyte> bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(block + NibbleRows<T>.FactorsAt + (part * Lanes.Count))).AsSByte();
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
    private static Vector256<float> Halves(byte* block) => HalfBits.ToSingle(Vector128.Load((ushort*)block));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> OffsetHalves(byte* block) => HalfBits.ToSingle(Vector128.Load((ushort*)block + Lanes.Count));
}
