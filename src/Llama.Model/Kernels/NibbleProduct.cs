using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
