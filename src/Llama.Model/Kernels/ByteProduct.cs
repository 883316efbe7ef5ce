using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products with interleaved Q8_0 rows (<see cref="ByteRows"/>): two columns of eight rows, widened to 16 bits, meet a pair of a token's
/// inputs. Several tokens go by four, with sixteen rows; others eight rows at a time, one stream of addresses.
/// </summary>
internal readonly unsafe struct ByteProduct : IInterleavedProduct
{
    private const int PartPairs = BlockRows.PartElements / 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOne(byte* block, RoundedInputs inputs, int token, float* lanes, float* zeros)
    {
        int* x = (int*)inputs.Words(token);
        float* scales = inputs.Scales(token);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            byte* bytes = block + ByteRows.BytesAt;
            block += ByteRows.BlockBytes;
            Vector256<float> scale = Vector256.Create(scales[i]) * Halves(bytes - ByteRows.BytesAt);
            Vector256<int> even = default, odd = default;
            for (; bytes < block; bytes += 4 * ByteRows.PairBytes, x += 4)
            {
                even += Dot(bytes, x);
                odd += Dot(bytes + ByteRows.PairBytes, x + 1);
                even += Dot(bytes + (2 * ByteRows.PairBytes), x + 2);
                odd += Dot(bytes + (3 * ByteRows.PairBytes), x + 3);
            }

            float* lane = lanes + (i % Lanes.Count * Lanes.Count);
            Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(even + odd), scale, Vector256.Load(i < Lanes.Count ? zeros : lane)).Store(lane);
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyFour(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros)
    {
        int* x = inputs.Pairs(token);
        float* scales = inputs.Scales(token);
        nint stride = inputs.Blocks;
        for (int i = 0; i < inputs.Blocks; i++)
        {
            if (next != 0)
            {
                Prefetch.Near(blockA + next, ByteRows.BlockBytes);
                Prefetch.Near(blockB + next, ByteRows.BlockBytes);
            }

            Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
            Vector256<int> b0 = default, b1 = default, b2 = default, b3 = default;
            byte* bytesA = blockA + ByteRows.BytesAt, bytesB = blockB + ByteRows.BytesAt;
            for (int* end = x + (PartPairs * RoundedInputs.GroupTokens); x < end; x += RoundedInputs.GroupTokens)
            {
                Vector256<short> a = Words(bytesA), b = Words(bytesB);
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
                bytesA += ByteRows.PairBytes;
                bytesB += ByteRows.PairBytes;
            }

            float* lane = lanes + (i % Lanes.Count * InterleavedProduct<ByteProduct>.GroupSums);
            float* before = i < Lanes.Count ? zeros : lane;
            Vector256<float> scaleA = Halves(blockA), scaleB = Halves(blockB);
            Add(a0, b0, scaleA, scaleB, scales[i], before, lane);
            Add(a1, b1, scaleA, scaleB, scales[i + stride], before + (2 * Lanes.Count), lane + (2 * Lanes.Count));
            Add(a2, b2, scaleA, scaleB, scales[i + (2 * stride)], before + (4 * Lanes.Count), lane + (4 * Lanes.Count));
            Add(a3, b3, scaleA, scaleB, scales[i + (3 * stride)], before + (6 * Lanes.Count), lane + (6 * Lanes.Count));
            blockA = bytesA;
            blockB = bytesB;
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOneWide(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros)
    {
        int* x = (int*)inputs.Words(token);
        float* scales = inputs.Scales(token);
        for (int i = 0; i < inputs.Blocks; i++)
        {
            Prefetch.Near(blockA + next, ByteRows.BlockBytes);
            Prefetch.Near(blockB + next, ByteRows.BlockBytes);
            Vector512<float> scale = Halves(blockA, blockB);
            Vector512<int> even = default, odd = default;
            byte* bytesA = blockA + ByteRows.BytesAt, bytesB = blockB + ByteRows.BytesAt;
            blockA += ByteRows.BlockBytes;
            blockB += ByteRows.BlockBytes;
            for (; bytesA < blockA; bytesA += 2 * ByteRows.PairBytes, bytesB += 2 * ByteRows.PairBytes, x += 2)
            {
                even += Dot(Words(bytesA, bytesB), x[0]);
                odd += Dot(Words(bytesA + ByteRows.PairBytes, bytesB + ByteRows.PairBytes), x[1]);
            }

            float* lane = lanes + (i % Lanes.Count * 2 * Lanes.Count);
            Add(even + odd, scale, scales + i, i < Lanes.Count ? zeros : lane, lane);
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyEightWide(
        byte* block, nint group, RoundedInputs inputs, int token, int others, bool asks, float* lanes, float* zeros)
    {
        int* x = inputs.Pairs(token);
        int* xB = inputs.Pairs(others);
        float* scales = inputs.Scales(token);
        float* scalesB = inputs.Scales(others);
        nint stride = inputs.Blocks;
        for (int i = 0; i < inputs.Blocks; i++, block += ByteRows.BlockBytes)
        {
            for (byte* next = block + (4 * group); asks && next < block + (8 * group); next += group) Prefetch.Near(next, ByteRows.BlockBytes);
            Vector512<int> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            Vector512<int> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
            byte* bytes = block + ByteRows.BytesAt, bytesB = bytes + (2 * group);
            for (int* end = x + (PartPairs * RoundedInputs.GroupTokens); x < end; x += RoundedInputs.GroupTokens, xB += RoundedInputs.GroupTokens)
            {
                Vector512<short> a = Words(bytes, bytes + group), b = Words(bytesB, bytesB + group);
                Vector512<short> pair = Vector512.Create(x[0]).AsInt16();
                a0 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b0 += Avx512BW.MultiplyAddAdjacent(b, pair);
                pair = Vector512.Create(x[1]).AsInt16();
                a1 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b1 += Avx512BW.MultiplyAddAdjacent(b, pair);
                pair = Vector512.Create(x[2]).AsInt16();
                a2 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b2 += Avx512BW.MultiplyAddAdjacent(b, pair);
                pair = Vector512.Create(x[3]).AsInt16();
                a3 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b3 += Avx512BW.MultiplyAddAdjacent(b, pair);
                pair = Vector512.Create(xB[0]).AsInt16();
                a4 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b4 += Avx512BW.MultiplyAddAdjacent(b, pair);
                pair = Vector512.Create(xB[1]).AsInt16();
                a5 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b5 += Avx512BW.MultiplyAddAdjacent(b, pair);
                pair = Vector512.Create(xB[2]).AsInt16();
                a6 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b6 += Avx512BW.MultiplyAddAdjacent(b, pair);
                pair = Vector512.Create(xB[3]).AsInt16();
                a7 += Avx512BW.MultiplyAddAdjacent(a, pair);
                b7 += Avx512BW.MultiplyAddAdjacent(b, pair);
                bytes += ByteRows.PairBytes;
                bytesB += ByteRows.PairBytes;
            }

            float* lane = lanes + (i % Lanes.Count * InterleavedProduct<ByteProduct>.WideSums);
            float* before = i < Lanes.Count ? zeros : lane;
            Vector512<float> scaleA = Halves(block, block + group), scaleB = Halves(block + (2 * group), block + (3 * group));
            Add(a0, b0, scaleA, scaleB, scales + i, before + (0 * Lanes.Count), lane + (0 * Lanes.Count));
            Add(a1, b1, scaleA, scaleB, scales + i + stride, before + (4 * Lanes.Count), lane + (4 * Lanes.Count));
            Add(a2, b2, scaleA, scaleB, scales + i + (2 * stride), before + (8 * Lanes.Count), lane + (8 * Lanes.Count));
            Add(a3, b3, scaleA, scaleB, scales + i + (3 * stride), before + (12 * Lanes.Count), lane + (12 * Lanes.Count));
            Add(a4, b4, scaleA, scaleB, scalesB + i, before + (16 * Lanes.Count), lane + (16 * Lanes.Count));
            Add(a5, b5, scaleA, scaleB, scalesB + i + stride, before + (20 * Lanes.Count), lane + (20 * Lanes.Count));
            Add(a6, b6, scaleA, scaleB, scalesB + i + (2 * stride), before + (24 * Lanes.Count), lane + (24 * Lanes.Count));
            Add(a7, b7, scaleA, scaleB, scalesB + i + (3 * stride), before + (28 * Lanes.Count), lane + (28 * Lanes.Count));
        }
    }

    /// <summary>Adds a block's sums of 32 rows, scaled, to their lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector512<int> a, Vector512<int> b, Vector512<float> scaleA, Vector512<float> scaleB, float* inputScale, float* before, float* lane)
    {
        Add(a, scaleA, inputScale, before, lane);
        Add(b, scaleB, inputScale, before + (2 * Lanes.Count), lane + (2 * Lanes.Count));
    }

    /// <summary>Adds a block's sums, scaled, to their lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector512<int> sums, Vector512<float> scale, float* inputScale, float* before, float* lane) =>
        Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(sums), scale * Vector512.Create(*inputScale), Vector512.Load(before)).Store(lane);

    /// <summary>Two columns of sixteen rows as words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Words(byte* bytesA, byte* bytesB) =>
        Avx512BW.ConvertToVector512Int16(Vector256.Create(Vector128.Load((sbyte*)bytesA), Vector128.Load((sbyte*)bytesB)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Dot(Vector512<short> words, int pair) => Avx512BW.MultiplyAddAdjacent(words, Vector512.Create(pair).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Halves(byte* blockA, byte* blockB) => Lanes.Join(Halves(blockA), Halves(blockB));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector256<int> a, Vector256<int> b, Vector256<float> scaleA, Vector256<float> scaleB, float inputScale, float* before, float* lanes)
    {
        Vector256<float> scale = Vector256.Create(inputScale);
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(a), scale * scaleA, Vector256.Load(before)).Store(lanes);
        Vector256<float> other = Vector256.Load(before + Lanes.Count);
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(b), scale * scaleB, other).Store(lanes + Lanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(byte* bytes, int* pair) => SmallIntegers.MultiplyAddPairs(Words(bytes), Vector256.Create(*pair).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Words(byte* bytes) => SmallIntegers.Widen(Vector128.Load((sbyte*)bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(byte* source) => HalfBits.ToSingle(Vector128.Load((ushort*)source));
}
