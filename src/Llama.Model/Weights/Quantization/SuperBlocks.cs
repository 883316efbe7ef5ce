using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 256 elements with scales of their own for every 16 or 32 (ggml-common.h: block_q4_K to block_q6_K). Their products are
// methods of their own: eight of them inlined into one would be more than the compiler optimises.

/// <summary>The eight scales and eight minima, six bits each, that Q4_K and Q5_K pack into twelve bytes.</summary>
internal static unsafe class PackedScales
{
    /// <summary>Number of scales, and of minima.</summary>
    public const int Count = 8;

    /// <summary>Bytes of all.</summary>
    public const int Bytes = 12;

    /// <summary>
    /// One scale and minimum. The first four lie in the lower six bits of bytes 0 to 3 (scales) and 4 to 7 (minima); of the others the
    /// lower four bits share bytes 8 to 11, and the upper two are what is left of the first eight bytes.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (int Scale, int Minimum) Get(byte* packed, int index) => index < 4
        ? (packed[index] & 63, packed[index + 4] & 63)
        : ((packed[index + 4] & 15) | (packed[index - 4] >> 6 << 4), (packed[index + 4] >> 4) | (packed[index] >> 6 << 4));

    /// <summary>All at once, as sixteen 16-bit integers: the scales, then the minima.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> GetAll(byte* packed)
    {
        // Four bytes at a time: see Get.
        uint first = Unsafe.ReadUnaligned<uint>(packed), second = Unsafe.ReadUnaligned<uint>(packed + 4);
        uint third = Unsafe.ReadUnaligned<uint>(packed + 8);
        ulong scales = (first & 0x3f3f3f3fu) | ((ulong)((third & 0x0f0f0f0fu) | ((first >> 2) & 0x30303030u)) << 32);
        ulong minima = (second & 0x3f3f3f3fu) | ((ulong)(((third >> 4) & 0x0f0f0f0fu) | ((second >> 2) & 0x30303030u)) << 32);
        return SmallIntegers.Widen(Vector128.Create(scales, minima).AsSByte());
    }

    /// <summary>The levels of a part, times its scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(
        Vector256<byte> levels, byte* packed, int part, out Vector256<short> first, out Vector256<short> second)
    {
        SmallIntegers.Widen(levels.AsSByte(), out first, out second);
        Vector256<short> scale = Vector256.Create((short)Get(packed, part).Scale);
        first *= scale;
        second *= scale;
    }

    /// <summary>Sums of the products of two blocks' minima with numbers, negated: four lanes each.</summary>
    /// <param name="a">All of the first block, by <see cref="GetAll"/>.</param>
    /// <param name="b">All of the second block.</param>
    /// <param name="sums">A number for each minimum.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> DotMinima(Vector256<short> a, Vector256<short> b, short* sums)
    {
        Vector128<short> inputs = -Vector128.Load(sums);
        return SmallIntegers.MultiplyAddPairs(Vector256.Create(a.GetUpper(), b.GetUpper()), Vector256.Create(inputs, inputs));
    }

    /// <summary>Packs all.</summary>
    /// <param name="scales">Scales, 0 to 63.</param>
    /// <param name="minima">Minima, 0 to 63.</param>
    /// <param name="packed">Receives <see cref="Bytes"/> bytes.</param>
    public static void Set(ReadOnlySpan<byte> scales, ReadOnlySpan<byte> minima, byte* packed)
    {
        for (int i = 0; i < 4; i++)
        {
            packed[i] = (byte)(scales[i] | (scales[i + 4] >> 4 << 6));
            packed[i + 4] = (byte)(minima[i] | (minima[i + 4] >> 4 << 6));
            packed[i + 8] = (byte)((scales[i + 4] & 15) | ((minima[i + 4] & 15) << 4));
        }
    }
}

/// <summary>
/// d and dmin in half precision; packed scales s and minima m; 128 bytes of nibbles, each 32 bytes holding 64 elements, first the lower
/// halves: n × d × s - dmin × m.
/// </summary>
internal readonly unsafe struct Q4_KBlock : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q4_K;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Offset(byte* block, int part) => -PackedScales.Get(block + 4, part).Minimum;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        PackedScales.Multiply(Levels(block, part), block + 4, part, out first, out second);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Vector256<int> Dot(byte* a, byte* b, sbyte* x, short* sums, out Vector256<int> offsets)
    {
        Vector256<short> factorsA = PackedScales.GetAll(a + 4), factorsB = PackedScales.GetAll(b + 4);
        offsets = PackedScales.DotMinima(factorsA, factorsB, sums);
        return SmallIntegers.AddHalves(Dot(a, x, (short*)&factorsA), Dot(b, x, (short*)&factorsB));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(byte* block, sbyte* x, short* scales)
    {
        byte* levels = block + 4 + PackedScales.Bytes;
        return DotPair(levels, x, scales) + DotPair(levels + 32, x + 64, scales + 2)
            + DotPair(levels + 64, x + 128, scales + 4) + DotPair(levels + 96, x + 192, scales + 6);
    }

    /// <summary>Two parts, which share 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> DotPair(byte* levels, sbyte* x, short* scales)
    {
        Vector256<short> first = SmallIntegers.MultiplyAddPairs(SmallIntegers.Nibbles(levels, 0), Vector256.Load(x));
        Vector256<short> second = SmallIntegers.MultiplyAddPairs(SmallIntegers.Nibbles(levels, 1), Vector256.Load(x + 32));
        return SmallIntegers.MultiplyAddPairs(first, Vector256.Create(scales[0]))
            + SmallIntegers.MultiplyAddPairs(second, Vector256.Create(scales[1]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Levels(byte* block, int part) =>
        SmallIntegers.Nibbles(block + 4 + PackedScales.Bytes + (part / 2 * 32), part % 2);
}

/// <summary>
/// As <see cref="Q4_KBlock"/>, with 32 bytes of fifth bits before the nibbles: bit k of byte i belongs to element 32 × k + i.
/// </summary>
internal readonly unsafe struct Q5_KBlock : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q5_K;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Offset(byte* block, int part) => -PackedScales.Get(block + 4, part).Minimum;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        PackedScales.Multiply(Levels(block, part), block + 4, part, out first, out second);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Vector256<int> Dot(byte* a, byte* b, sbyte* x, short* sums, out Vector256<int> offsets)
    {
        Vector256<short> factorsA = PackedScales.GetAll(a + 4), factorsB = PackedScales.GetAll(b + 4);
        offsets = PackedScales.DotMinima(factorsA, factorsB, sums);
        return SmallIntegers.AddHalves(Dot(a, x, (short*)&factorsA), Dot(b, x, (short*)&factorsB));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(byte* block, sbyte* x, short* scales)
    {
        Vector256<int> sums = Vector256<int>.Zero;
        for (int part = 0; part < PackedScales.Count; part++)
        {
            Vector256<short> products = SmallIntegers.MultiplyAddPairs(Levels(block, part), Vector256.Load(x + (part * 32)));
            sums += SmallIntegers.MultiplyAddPairs(products, Vector256.Create(scales[part]));
        }

        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Levels(byte* block, int part)
    {
        byte* fifths = block + 4 + PackedScales.Bytes;
        return SmallIntegers.Nibbles(fifths + 32 + (part / 2 * 32), part % 2)
            | SmallIntegers.Fifths(Vector256.Load(fifths), Vector256.Create((byte)(1 << part)));
    }
}

/// <summary>
/// 128 bytes of nibbles, 64 bytes of the upper two bits, 16 signed scales s of a byte, d in half precision: (n - 32) × d × s. Each half
/// of the block has 64 nibble bytes, whose lower halves are elements 0 to 63 and upper halves 64 to 127, and 32 bytes of upper bits, two
/// bits for each quarter of those.
/// </summary>
internal readonly unsafe struct Q6_KBlock : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q6_K;

    /// <inheritdoc/>
    public static int ScaleAt => 208;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        SmallIntegers.Widen(Levels(block, part), out first, out second);
        sbyte* scales = Scales(block, part);
        first *= Vector256.Create((short)scales[0]);
        second *= Vector256.Create((short)scales[1]);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Vector256<int> Dot(byte* a, byte* b, sbyte* x, short* sums, out Vector256<int> offsets)
    {
        offsets = default;
        return SmallIntegers.AddHalves(Dot(a, x), Dot(b, x));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(byte* block, sbyte* x)
    {
        Vector256<int> sums = Vector256<int>.Zero;
        for (int part = 0; part < 8; part++)
        {
            // Neighbours of the first sixteen elements are the lower half of a vector.
            sbyte* scales = Scales(block, part);
            sums += SmallIntegers.MultiplyAddPairs(
                SmallIntegers.MultiplyAddPairs(Levels(block, part), Vector256.Load(x + (part * 32))),
                Vector256.Create(Vector128.Create((short)scales[0]), Vector128.Create((short)scales[1])));
        }

        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Levels(byte* block, int part)
    {
        (int half, int quarter) = (part / 4, part % 4);
        Vector256<byte> nibbles = SmallIntegers.Nibbles(block + (half * 64) + (quarter % 2 * 32), quarter / 2);
        Vector256<byte> upper = (Vector256.Load(block + 128 + (half * 32)).AsUInt16() >>> (2 * quarter)).AsByte();
        upper = ((upper & Vector256.Create((byte)3)).AsUInt16() << 4).AsByte();
        return (nibbles | upper).AsSByte() - Vector256.Create((sbyte)32);
    }

    private static sbyte* Scales(byte* block, int part) => (sbyte*)block + 192 + (2 * part);
}
