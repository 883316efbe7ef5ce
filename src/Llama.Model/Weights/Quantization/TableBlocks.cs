using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of nibbles that stand for numbers of a table (ggml-common.h: block_iq4_nl, block_iq4_xs, block_mxfp4). Nibbles of a part lie as in
// Q4_0: element i and element i + 16 in the lower and upper half of byte i.

/// <summary>The numbers that nibbles stand for.</summary>
internal static unsafe class NibbleTables
{
    /// <summary>Of IQ4_NL and IQ4_XS (<c>kvalues_iq4nl</c>).</summary>
    public static Vector128<sbyte> NonLinear
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector128.Create((sbyte)-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    }

    /// <summary>Of MXFP4, twice the numbers of FP4 (E2M1; Open Compute Project, "Microscaling Formats", 2023).</summary>
    public static Vector128<sbyte> Fp4 => Vector128.Create((sbyte)0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

    /// <summary>The numbers of a part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<sbyte> Load(Vector128<sbyte> table, byte* source) => SmallIntegers.Look(table, SmallIntegers.Nibbles(source));
}

/// <summary>d; 16 bytes of nibbles: t[n] × d.</summary>
internal readonly unsafe struct IQ4_NLBlock : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ4_NL;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 0;

    /// <inheritdoc/>
    public static int Bias => 128;

    /// <inheritdoc/>
    public static int LevelBits => 4;

    /// <inheritdoc/>
    public static bool HasTable => true;

    /// <inheritdoc/>
    public static Vector128<sbyte> Table
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => NibbleTables.NonLinear;
    }

    /// <inheritdoc/>
    public static bool HasFactors => false;

    /// <inheritdoc/>
    public static int Factor(byte* block, int part) => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) => SmallIntegers.Nibbles(block + 2);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<IQ4_NLBlock>.Integers(block, part, out first, out second);
}

/// <summary>An exponent e of a byte; 16 bytes of nibbles: t[n] × 2^(e - 128).</summary>
internal readonly unsafe struct MXFP4Block : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.MXFP4;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => 
        SmallIntegers.Dot(NibbleTables.Load(NibbleTables.Fp4, block + 1), Vector256.Load(x));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block) => BitConverter.UInt32BitsToSingle(*block < 2 ? 0x200000u << *block : (*block - 1u) << 23);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        SmallIntegers.Widen(NibbleTables.Load(NibbleTables.Fp4, block + 1), out first, out second);
}

/// <summary>d; upper two bits, then lower four bits of a factor s for each of eight parts; 128 bytes of nibbles: (s - 32) × t[n] × d.</summary>
internal readonly unsafe struct IQ4_XSBlock : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ4_XS;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 0;

    /// <inheritdoc/>
    public static int Bias => 128;

    /// <inheritdoc/>
    public static int LevelBits => 4;

    /// <inheritdoc/>
    public static bool HasTable => true;

    /// <inheritdoc/>
    public static Vector128<sbyte> Table
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => NibbleTables.NonLinear;
    }

    /// <inheritdoc/>
    public static bool HasFactors => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Factor(byte* block, int part)
    {
        int lower = (block[4 + (part / 2)] >> (4 * (part % 2))) & 15;
        int upper = (Unsafe.ReadUnaligned<ushort>(block + 2) >> (2 * part)) & 3;
        return (lower | (upper << 4)) - 32;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) => SmallIntegers.Nibbles(block + 8 + (16 * part));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<IQ4_XSBlock>.Integers(block, part, out first, out second);
}
