using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 256 elements of two and three bits, whose halves of parts have factors of their own (ggml-common.h: block_q2_K, block_q3_K).

/// <summary>
/// Sixteen bytes, factor s in the lower and minimum m in the upper half, one for each sixteen elements; 64 bytes of four times two bits; d and
/// dmin in half precision: n × d × s - dmin × m.
/// </summary>
internal readonly unsafe struct Q2_KBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q2_K;

    /// <inheritdoc/>
    public static int ScaleAt => 80;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    public static int OffsetElements => 16;

    /// <inheritdoc/>
    public static int Offset(byte* block, int half) => -(block[half] >> 4);

    /// <inheritdoc/>
    public static int Bias => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        SmallIntegers.Widen(SmallIntegers.TwoBits(block + 16, part).AsSByte(), out first, out second);
        first *= Vector256.Create((short)(block[2 * part] & 15));
        second *= Vector256.Create((short)(block[(2 * part) + 1] & 15));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfHalfParts(
        (Vector128.Load(block) & Vector128.Create((byte)15)).AsSByte(),
        Dot(block, x, 0), Dot(block, x, 1), Dot(block, x, 2), Dot(block, x, 3),
        Dot(block, x, 4), Dot(block, x, 5), Dot(block, x, 6), Dot(block, x, 7));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> DotOffsets(byte* block, short* sums)
    {
        Vector128<byte> minima = (Vector128.Load(block).AsUInt16() >>> 4).AsByte() & Vector128.Create((byte)15);
        Vector256<int> products = SmallIntegers.MultiplyAddPairs(SmallIntegers.Widen(minima.AsSByte()), Vector256.Load(sums));
        return -(products.GetLower() + products.GetUpper());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Dot(byte* block, sbyte* x, int part) =>
        SmallIntegers.MultiplyAddPairs(SmallIntegers.TwoBits(block + 16, part), Vector256.Load(x + (part * BlockRows.PartElements)));
}

/// <summary>
/// 32 bytes of third bits, bit k of byte i for element 32 × k + i; 64 bytes of four times two bits; sixteen factors s of six bits in twelve
/// bytes; d in half precision: (n - 4) × (s - 32) × d.
/// </summary>
internal readonly unsafe struct Q3_KBlock : IPlainFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q3_K;

    /// <inheritdoc/>
    public static int ScaleAt => 108;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        Vector128<sbyte> factors = Factors(block + 96);
        SmallIntegers.Widen(Levels(block, part), out first, out second);
        first *= Vector256.Create((short)factors.GetElement(2 * part));
        second *= Vector256.Create((short)factors.GetElement((2 * part) + 1));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfHalfParts(
        Factors(block + 96),
        Dot(block, x, 0), Dot(block, x, 1), Dot(block, x, 2), Dot(block, x, 3),
        Dot(block, x, 4), Dot(block, x, 5), Dot(block, x, 6), Dot(block, x, 7));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Dot(byte* block, sbyte* x, int part) =>
        SmallIntegers.MultiplyAddPairs(Levels(block, part), Vector256.Load(x + (part * BlockRows.PartElements)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Levels(byte* block, int part)
    {
        Vector256<byte> bit = Vector256.Create((byte)(1 << part));
        Vector256<byte> third = Vector256.Equals(Vector256.Load(block) & bit, bit) & Vector256.Create((byte)4);
        return (SmallIntegers.TwoBits(block + 32, part) | third).AsSByte() - Vector256.Create((sbyte)4);
    }

    /// <summary>
    /// All factors. Their lower four bits are the lower halves of the first eight bytes, then the upper ones; of the upper two bits, four
    /// bytes have those of factors 0 to 3, from the next two bits on those of 4 to 7, and so on.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Factors(byte* packed)
    {
        ulong lower = Unsafe.ReadUnaligned<ulong>(packed);
        uint upper = Unsafe.ReadUnaligned<uint>(packed + 8);
        ulong first = (lower & 0x0f0f0f0f0f0f0f0f) | ((upper & 0x03030303u) << 4) | ((ulong)((upper << 2) & 0x30303030u) << 32);
        ulong second = ((lower >> 4) & 0x0f0f0f0f0f0f0f0f) | (upper & 0x30303030u) | ((ulong)((upper >> 2) & 0x30303030u) << 32);
        return Vector128.Create(first, second).AsSByte() - Vector128.Create((sbyte)32);
    }
}
