using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama.Model.Kernels;

/// <summary>
/// The canonical order of every sum in the forward pass. Element i belongs to lane i mod 8; a lane adds its products in index order
/// with a fused multiply-add, as if the vectors were padded with zeros to a multiple of 8; the lanes are then added in the fixed tree of
/// <see cref="Sum"/>. <see cref="Vector256"/> compiles to AVX2, to pairs of NEON registers, or to scalar code, and each of its
/// operations used here is exactly rounded, so every processor produces the same bits.
/// </summary>
internal static unsafe class Lanes
{
    /// <summary>Number of lanes.</summary>
    public const int Count = 8;

    /// <summary><paramref name="n"/> rounded up to whole vectors.</summary>
    public static int Pad(int n) => (n + Count - 1) / Count * Count;

    /// <summary>Two vectors as the halves of one, in one instruction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Join<T>(Vector256<T> lower, Vector256<T> upper) => lower.ToVector512Unsafe().WithUpper(upper);

    /// <summary>The sum of the eight lanes: ((0+4)+(2+6)) + ((1+5)+(3+7)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> lanes)
    {
        Vector128<float> four = lanes.GetLower() + lanes.GetUpper();
        Vector128<float> two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return two.GetElement(0) + two.GetElement(1);
    }

    /// <summary>The greatest lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Max(Vector256<int> lanes)
    {
        Vector128<int> four = Vector128.Max(lanes.GetLower(), lanes.GetUpper());
        Vector128<int> two = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return Vector128.Max(two, Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    /// <summary>The greatest lane. Which zero it is, and what it is if a lane is no number, depends on the processor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxNative(Vector256<float> lanes)
    {
        Vector128<float> four = Vector128.MaxNative(lanes.GetLower(), lanes.GetUpper());
        Vector128<float> two = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(two, Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    /// <summary>The sums of eight vectors' lanes by the tree of <see cref="Sum"/>, in the vectors' order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SumEach(
        Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3,
        Vector256<float> v4, Vector256<float> v5, Vector256<float> v6, Vector256<float> v7)
    {
        if (!Avx.IsSupported)
            return Vector256.Create(Sum(v0), Sum(v1), Sum(v2), Sum(v3), Sum(v4), Sum(v5), Sum(v6), Sum(v7));

        // Lanes i and i + 4 of vector v, and beside them those of v + 4; then lanes 0 and 2, 1 and 3; then both.
        Vector256<float> v04 = Avx.Permute2x128(v0, v4, 0x20) + Avx.Permute2x128(v0, v4, 0x31);
        Vector256<float> v15 = Avx.Permute2x128(v1, v5, 0x20) + Avx.Permute2x128(v1, v5, 0x31);
        Vector256<float> v26 = Avx.Permute2x128(v2, v6, 0x20) + Avx.Permute2x128(v2, v6, 0x31);
        Vector256<float> v37 = Avx.Permute2x128(v3, v7, 0x20) + Avx.Permute2x128(v3, v7, 0x31);
        Vector256<double> v0145 = (Avx.UnpackLow(v04, v15) + Avx.UnpackHigh(v04, v15)).AsDouble();
        Vector256<double> v2367 = (Avx.UnpackLow(v26, v37) + Avx.UnpackHigh(v26, v37)).AsDouble();
        return Avx.UnpackLow(v0145, v2367).AsSingle() + Avx.UnpackHigh(v0145, v2367).AsSingle();
    }

    /// <summary>The sums of four vectors' lanes by the tree of <see cref="Sum"/>, in the vectors' order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SumEach(Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3)
    {
        if (!Sse.IsSupported) return Vector128.Create(Sum(v0), Sum(v1), Sum(v2), Sum(v3));
        Vector128<float> w0 = v0.GetLower() + v0.GetUpper(), w1 = v1.GetLower() + v1.GetUpper();
        Vector128<float> w2 = v2.GetLower() + v2.GetUpper(), w3 = v3.GetLower() + v3.GetUpper();
        Vector128<float> w01 = Sse.UnpackLow(w0, w1) + Sse.UnpackHigh(w0, w1);
        Vector128<float> w23 = Sse.UnpackLow(w2, w3) + Sse.UnpackHigh(w2, w3);
        return Sse.MoveLowToHigh(w01, w23) + Sse.MoveHighToLow(w23, w01);
    }

    /// <summary>
    /// The sums of eight vectors' halves by the tree of <see cref="Sum"/>: each vector has the lanes of two sums.
    /// </summary>
    /// <param name="v0">First vector.</param>
    /// <param name="v1">Second vector.</param>
    /// <param name="v2">Third vector.</param>
    /// <param name="v3">Fourth vector.</param>
    /// <param name="v4">Fifth vector.</param>
    /// <param name="v5">Sixth vector.</param>
    /// <param name="v6">Seventh vector.</param>
    /// <param name="v7">Eighth vector.</param>
    /// <param name="order">
    /// Where each wanted sum lies among those that come out: in quarter q sum q of the first four vectors, sum q + 4, and the same of the last four.
    /// </param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SumEach(
        Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3,
        Vector512<float> v4, Vector512<float> v5, Vector512<float> v6, Vector512<float> v7, Vector512<int> order)
    {
        // Quarter q of the first two is of sum q: lanes i + (i + 4); then of sums q and q + 4 lanes 0 + 2 and 1 + 3; then both.
        Vector512<double> v0123 = SumEvenAndOdd(AddHalves(v0, v1), AddHalves(v2, v3));
        Vector512<double> v4567 = SumEvenAndOdd(AddHalves(v4, v5), AddHalves(v6, v7));
        Vector512<float> sums = Avx512F.UnpackLow(v0123, v4567).AsSingle() + Avx512F.UnpackHigh(v0123, v4567).AsSingle();
        return Avx512F.PermuteVar16x32(sums, order);
    }

    /// <summary>The sums of eight vectors' lanes, in the vectors' order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> SumEach(
        Vector256<int> v0, Vector256<int> v1, Vector256<int> v2, Vector256<int> v3,
        Vector256<int> v4, Vector256<int> v5, Vector256<int> v6, Vector256<int> v7)
    {
        Vector256<int> v0123 = SumHalves(v0, v1, v2, v3), v4567 = SumHalves(v4, v5, v6, v7);
        return Avx2.IsSupported
            ? Avx2.Permute2x128(v0123, v4567, 0x20) + Avx2.Permute2x128(v0123, v4567, 0x31)
            : Vector256.Create(v0123.GetLower() + v0123.GetUpper(), v4567.GetLower() + v4567.GetUpper());
    }

    /// <summary>The sums of the halves of four vectors: the lower halves in the vectors' order, then the upper halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> SumHalves(Vector256<int> v0, Vector256<int> v1, Vector256<int> v2, Vector256<int> v3)
    {
        if (!Avx2.IsSupported)
        {
            return Vector256.Create(
                Vector128.Sum(v0.GetLower()), Vector128.Sum(v1.GetLower()), Vector128.Sum(v2.GetLower()), Vector128.Sum(v3.GetLower()),
                Vector128.Sum(v0.GetUpper()), Vector128.Sum(v1.GetUpper()), Vector128.Sum(v2.GetUpper()), Vector128.Sum(v3.GetUpper()));
        }

        Vector256<long> v01 = (Avx2.UnpackLow(v0, v1) + Avx2.UnpackHigh(v0, v1)).AsInt64();
        Vector256<long> v23 = (Avx2.UnpackLow(v2, v3) + Avx2.UnpackHigh(v2, v3)).AsInt64();
        return Avx2.UnpackLow(v01, v23).AsInt32() + Avx2.UnpackHigh(v01, v23).AsInt32();
    }

    /// <summary>Stores lane i of eight vectors one after the other, for every i.</summary>
    /// <param name="vectors">Eight vectors.</param>
    /// <param name="target">Where lane 0 goes.</param>
    /// <param name="stride">Integers from one lane's place to the next one's.</param>
    public static void Transpose(Vector256<int>* vectors, int* target, int stride)
    {
        if (!Avx2.IsSupported)
        {
            for (int lane = 0; lane < Count; lane++)
            {
                for (int i = 0; i < Count; i++) target[(lane * stride) + i] = vectors[i].GetElement(lane);
            }

            return;
        }

        Vector256<long> ab = Avx2.UnpackLow(vectors[0], vectors[1]).AsInt64(), ab2 = Avx2.UnpackHigh(vectors[0], vectors[1]).AsInt64();
        Vector256<long> cd = Avx2.UnpackLow(vectors[2], vectors[3]).AsInt64(), cd2 = Avx2.UnpackHigh(vectors[2], vectors[3]).AsInt64();
        Vector256<long> ef = Avx2.UnpackLow(vectors[4], vectors[5]).AsInt64(), ef2 = Avx2.UnpackHigh(vectors[4], vectors[5]).AsInt64();
        Vector256<long> gh = Avx2.UnpackLow(vectors[6], vectors[7]).AsInt64(), gh2 = Avx2.UnpackHigh(vectors[6], vectors[7]).AsInt64();
        StoreHalves(Avx2.UnpackLow(ab, cd), Avx2.UnpackLow(ef, gh), target, stride);
        StoreHalves(Avx2.UnpackHigh(ab, cd), Avx2.UnpackHigh(ef, gh), target + stride, stride);
        StoreHalves(Avx2.UnpackLow(ab2, cd2), Avx2.UnpackLow(ef2, gh2), target + (2 * stride), stride);
        StoreHalves(Avx2.UnpackHigh(ab2, cd2), Avx2.UnpackHigh(ef2, gh2), target + (3 * stride), stride);
    }

    /// <summary>Elements <c>[0, count)</c> at <paramref name="source"/>, other lanes zero; <paramref name="count"/> is below 8.</summary>
    public static Vector256<float> LoadPartial(float* source, int count)
    {
        float* padded = stackalloc float[Count];
        for (int i = 0; i < Count; i++) padded[i] = i < count ? source[i] : 0;
        return Vector256.Load(padded);
    }

    /// <summary>Stores the first <paramref name="count"/> lanes; <paramref name="count"/> is below 8.</summary>
    public static void StorePartial(Vector256<float> value, float* target, int count)
    {
        for (int i = 0; i < count; i++) target[i] = value.GetElement(i);
    }

    /// <summary>Sum of <c>a[i] × b[i]</c> for i in <c>[0, count)</c>.</summary>
    public static float Dot(float* a, float* b, int count)
    {
        Vector256<float> lanes = Vector256<float>.Zero;
        int i = 0;
        for (; i <= count - Count; i += Count)
            lanes = Vector256.FusedMultiplyAdd(Vector256.Load(a + i), Vector256.Load(b + i), lanes);
        if (i < count)
            lanes = Vector256.FusedMultiplyAdd(LoadPartial(a + i, count - i), LoadPartial(b + i, count - i), lanes);
        return Sum(lanes);
    }

    /// <summary>Adds <c>scale × source[i]</c> to <c>target[i]</c> for i in <c>[0, count)</c>, each rounded once.</summary>
    public static void AddScaled(float* target, float* source, float scale, int count)
    {
        Vector256<float> factor = Vector256.Create(scale);
        int i = 0;
        for (; i <= count - Count; i += Count)
            Vector256.FusedMultiplyAdd(factor, Vector256.Load(source + i), Vector256.Load(target + i)).Store(target + i);
        for (; i < count; i++) target[i] = MathF.FusedMultiplyAdd(scale, source[i], target[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddHalves(Vector512<float> v0, Vector512<float> v1) =>
        Avx512F.Shuffle4x128(v0, v1, 0b10_00_10_00) + Avx512F.Shuffle4x128(v0, v1, 0b11_01_11_01);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> SumEvenAndOdd(Vector512<float> first, Vector512<float> second) =>
        (Avx512F.UnpackLow(first, second) + Avx512F.UnpackHigh(first, second)).AsDouble();

    /// <summary>The lower halves are lane i of eight vectors, the upper ones lane i + 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreHalves(Vector256<long> firstFour, Vector256<long> lastFour, int* target, int stride)
    {
        Avx2.Permute2x128(firstFour, lastFour, 0x20).AsInt32().Store(target);
        Avx2.Permute2x128(firstFour, lastFour, 0x31).AsInt32().Store(target + (4 * stride));
    }
}
