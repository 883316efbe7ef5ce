using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 256 elements of about one to two bits (ggml-common.h: block_iq1_s, block_iq1_m, block_tq1_0, block_tq2_0).

/// <summary>
/// d; 32 points, lower eight bits; for each part sixteen bits: the points' upper three bits, a factor s of three, and a sign δ: an element is
/// (2s + 1) × (8g + δ) × d / 8, δ 1 or -1.
/// </summary>
internal readonly unsafe struct IQ1_SBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ1_S;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<IQ1_SBlock>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block) => HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block)) / 8;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        byte* points = block + 2 + (4 * part);
        int bits = Unsafe.ReadUnaligned<ushort>(block + 34 + (2 * part));
        ulong[] grid = Grids.OfIQ1;
        Vector256<ulong> chosen = Vector256.Create(
            grid[points[0] | ((bits << 8) & 0x700)], grid[points[1] | ((bits << 5) & 0x700)],
            grid[points[2] | ((bits << 2) & 0x700)], grid[points[3] | ((bits >> 1) & 0x700)]);
        int factor = (2 * ((bits >> 12) & 7)) + 1;
        Vector256<short> delta = Vector256.Create((short)((bits & 0x8000) != 0 ? -1 : 1));
        TernaryPoints.Integers(chosen, delta, delta, factor, factor, out first, out second);
    }
}

/// <summary>
/// 32 points, lower eight bits; for each two points a byte with upper three bits and a sign δ for each; sixteen factors s of three bits in four
/// words, whose upper four bits are d: as <see cref="IQ1_SBlock"/>, with an s for each half of a part and a δ for each point.
/// </summary>
internal readonly unsafe struct IQ1_MBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ1_M;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<IQ1_MBlock>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block)
    {
        ulong words = Unsafe.ReadUnaligned<ulong>(block + 48);
        ulong half = ((words >> 12) & 0xf) | ((words >> 24) & 0xf0) | ((words >> 36) & 0xf00) | ((words >> 48) & 0xf000);
        return HalfBits.ToSingle((ushort)half) / 8;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        byte* points = block + (4 * part);
        int lower = block[32 + (2 * part)], upper = block[33 + (2 * part)];
        ulong[] grid = Grids.OfIQ1;
        Vector256<ulong> chosen = Vector256.Create(
            grid[points[0] | ((lower << 8) & 0x700)], grid[points[1] | ((lower << 4) & 0x700)],
            grid[points[2] | ((upper << 8) & 0x700)], grid[points[3] | ((upper << 4) & 0x700)]);
        int factors = Unsafe.ReadUnaligned<ushort>(block + 48 + (part / 2 * 2)) >> (6 * (part % 2));
        TernaryPoints.Integers(
            chosen,
            Vector256.Create(Delta(lower, 8), Delta(lower, 128)),
            Vector256.Create(Delta(upper, 8), Delta(upper, 128)),
            (2 * (factors & 7)) + 1,
            (2 * ((factors >> 3) & 7)) + 1,
            out first,
            out second);
    }

    private static Vector128<short> Delta(int bits, int sign) => Vector128.Create((short)((bits & sign) != 0 ? -1 : 1));
}

/// <summary>
/// 52 bytes of five, the last four of four, digits 0 to 2 of base 3, as fractions of 256; d: (n - 1) × d. Digit k of the first 32 bytes is part
/// k; those of the next sixteen follow, and those of the last four.
/// </summary>
internal readonly unsafe struct TQ1_0Block : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.TQ1_0;

    /// <inheritdoc/>
    public static int ScaleAt => 52;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<TQ1_0Block>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        Vector128<byte> lower, upper;
        if (part < 5)
        {
            lower = Digits(Vector128.Load(block), part);
            upper = Digits(Vector128.Load(block + 16), part);
        }
        else
        {
            // Halves of parts from here on: five digits of sixteen bytes, and at the end four of four.
            Vector128<byte> bytes = Vector128.Load(block + 32);
            lower = Digits(bytes, (2 * part) - 10);
            upper = part < 7 ? Digits(bytes, (2 * part) - 9) : LastDigits(block + 48);
        }

        SmallIntegers.Widen(Vector256.Create(lower, upper).AsSByte() - Vector256<sbyte>.One, out first, out second);
    }

    /// <summary>One digit of each byte: what three times the fraction that is left has above the point.</summary>
    private static Vector128<byte> Digits(Vector128<byte> bytes, int digit)
    {
        for (int i = 0; i < digit; i++) bytes *= Vector128.Create((byte)3);
        Vector128<ushort> lower = (Vector128.WidenLower(bytes) * (ushort)3) >>> 8, upper = (Vector128.WidenUpper(bytes) * (ushort)3) >>> 8;
        return Vector128.Narrow(lower, upper);
    }

    private static Vector128<byte> LastDigits(byte* source)
    {
        Vector128<byte> four = Vector128.Create(Unsafe.ReadUnaligned<uint>(source)).AsByte();
        return Vector128.Create(
            Digits(four, 0).AsUInt32()[0], Digits(four, 1).AsUInt32()[0], Digits(four, 2).AsUInt32()[0], Digits(four, 3).AsUInt32()[0]).AsByte();
    }
}

/// <summary>64 bytes of four times two bits; d: (n - 1) × d. Each half of the block has 32 bytes, with two bits for each quarter of it.</summary>
internal readonly unsafe struct TQ2_0Block : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.TQ2_0;

    /// <inheritdoc/>
    public static int ScaleAt => 64;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<TQ2_0Block>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        SmallIntegers.Widen(SmallIntegers.TwoBits(block, part).AsSByte() - Vector256<sbyte>.One, out first, out second);
}

/// <summary>What the formats with <see cref="Grids.OfIQ1"/> share.</summary>
internal static class TernaryPoints
{
    /// <summary>Eight times the points and a δ for each element, times a factor for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(
        Vector256<ulong> points,
        Vector256<short> delta,
        Vector256<short> secondDelta,
        int factor,
        int secondFactor,
        out Vector256<short> first,
        out Vector256<short> second)
    {
        SmallIntegers.Widen(points.AsSByte(), out first, out second);
        first = ((first << 3) + delta) * Vector256.Create((short)factor);
        second = ((second << 3) + secondDelta) * Vector256.Create((short)secondFactor);
    }
}
