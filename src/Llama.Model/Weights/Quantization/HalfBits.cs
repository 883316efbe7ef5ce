using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>
/// Conversions of IEEE 754 half-precision numbers by integer arithmetic: the casts of <see cref="Half"/> take a path many times slower.
/// </summary>
internal static class HalfBits
{
    /// <summary>2^112: the difference of the two formats' exponents.</summary>
    public const float Scale = 5.192296858534828e33f;

    /// <summary>A half-precision number as a single-precision one; exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(ushort half)
    {
        // The exponent moves over as it is, which makes numbers 2^112 times too small; infinities and NaNs need the exponent of all ones.
        uint magnitude = (half & 0x7fffu) << 13;
        uint bits = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(magnitude) * Scale);
        uint special = magnitude >= 0x0f800000 ? 0x7f800000u : 0;
        return BitConverter.UInt32BitsToSingle(bits | special | ((half & 0x8000u) << 16));
    }

    /// <summary>
    /// Eight finite half-precision numbers as single-precision ones, exact. Infinities and NaNs, which no weight should be, come out as
    /// numbers from 65,536 on: telling them apart would cost as much as all the rest.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToSingle(Vector128<ushort> halves) =>
        Place(SmallIntegers.Widen(halves.AsInt16()) << 13) * Vector256.Create(Scale);

    /// <summary>
    /// Finite halves that share 32-bit lanes as single-precision numbers times 2^-112: what is left out is one multiplication for each
    /// vector, which a product can make once with its inputs.
    /// </summary>
    /// <param name="pairs">Two in each lane.</param>
    /// <param name="lower">Those of the lower halves.</param>
    /// <param name="upper">Those of the upper halves.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ToScaledSingles(Vector256<int> pairs, out Vector256<float> lower, out Vector256<float> upper)
    {
        lower = Place((pairs << 16) >> 3);
        upper = Place(pairs >> 3);
    }

    /// <summary>The same for sixteen lanes.</summary>
    /// <param name="pairs">Two in each lane.</param>
    /// <param name="lower">Those of the lower halves.</param>
    /// <param name="upper">Those of the upper halves.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ToScaledSingles(Vector512<int> pairs, out Vector512<float> lower, out Vector512<float> upper)
    {
        Vector512<int> places = Vector512.Create(unchecked((int)0x8fffe000));
        lower = (((pairs << 16) >> 3) & places).AsSingle();
        upper = ((pairs >> 3) & places).AsSingle();
    }

    /// <summary>A single-precision number rounded to the nearest half-precision one, ties to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromSingle(float value) => (ushort)FromSingle(Vector256.Create(value)).GetElement(0);

    /// <summary>Eight of <see cref="FromSingle(float)"/>, each in the lower half of a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> FromSingle(Vector256<float> values)
    {
        Vector256<uint> bits = values.AsUInt32();
        Vector256<uint> magnitude = bits & Vector256.Create(0x7fffffffu);
        Vector256<uint> sign = (bits >>> 16) & Vector256.Create(0x8000u);

        // Adding half of the last kept bit, less one where that bit is even, rounds; a carry runs into the exponent as it should.
        Vector256<uint> even = (magnitude >>> 13) & Vector256<uint>.One;
        Vector256<uint> normal = (magnitude - Vector256.Create((112u << 23) - 0xfff) + even) >>> 13;

        // Below 2^-14 the numbers are equally spaced: adding 0.5 makes the processor round to that spacing.
        Vector256<uint> tiny = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(0x3f000000u);
        Vector256<uint> special = Vector256.ConditionalSelect(
            Vector256.GreaterThan(magnitude, Vector256.Create(0x7f800000u)), Vector256.Create(0x7e00u), Vector256.Create(0x7c00u));

        Vector256<uint> result = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(113u << 23)), tiny, normal);
        result = Vector256.ConditionalSelect(Vector256.GreaterThan(magnitude, Vector256.Create((143u << 23) - 1)), special, result);
        return result | sign;
    }

    /// <summary>
    /// Numbers times 2^-112 whose bits are in place; the three above the exponent's place are signs as well, and those below the mantissa's
    /// anything.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Place(Vector256<int> bits) => (bits & Vector256.Create(unchecked((int)0x8fffe000))).AsSingle();
}
