using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
