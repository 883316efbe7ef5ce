using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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

    /// <summary>The sum of the eight lanes: ((0+4)+(2+6)) + ((1+5)+(3+7)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> lanes)
    {
        Vector128<float> four = lanes.GetLower() + lanes.GetUpper();
        Vector64<float> two = four.GetLower() + four.GetUpper();
        return two.GetElement(0) + two.GetElement(1);
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
}
