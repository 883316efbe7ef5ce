using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 32 elements (ggml-common.h: block_q4_0 to block_q8_0). All begin with a scale d in half precision; those of four and five
// bits keep element i and element i + 16 in the lower and upper half of byte i.

/// <summary>d; 16 bytes of nibbles: (n - 8) × d.</summary>
internal readonly unsafe struct Q4_0Block : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q4_0;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q4_0Block>.Integers(block, part, out first, out second);

    /// <inheritdoc/>
    public static int Bias => 8;

    /// <inheritdoc/>
    public static int LevelBits => 4;

    /// <inheritdoc/>
    public static bool HasFactors => false;

    /// <inheritdoc/>
    public static int Factor(byte* block, int part) => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) => SmallIntegers.Nibbles(block + 2);
}

/// <summary>d; minimum m in half precision; 16 bytes of nibbles: n × d + m.</summary>
internal readonly unsafe struct Q4_1Block : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q4_1;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q4_1Block>.Integers(block, part, out first, out second);

    /// <inheritdoc/>
    public static int Bias => 0;

    /// <inheritdoc/>
    public static int LevelBits => 4;

    /// <inheritdoc/>
    public static bool HasFactors => false;

    /// <inheritdoc/>
    public static int Factor(byte* block, int part) => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) => SmallIntegers.Nibbles(block + 4);
}

/// <summary>d; 32 fifth bits, element 0 lowest; 16 bytes of nibbles: (n - 16) × d.</summary>
internal readonly unsafe struct Q5_0Block : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q5_0;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q5_0Block>.Integers(block, part, out first, out second);

    /// <inheritdoc/>
    public static int Bias => 16;

    /// <inheritdoc/>
    public static int LevelBits => 5;

    /// <inheritdoc/>
    public static bool HasFactors => false;

    /// <inheritdoc/>
    public static int Factor(byte* block, int part) => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) => SmallIntegers.Nibbles(block + 6) | SmallIntegers.Fifths(block + 2);
}

/// <summary>d; minimum m in half precision; 32 fifth bits; 16 bytes of nibbles: n × d + m.</summary>
internal readonly unsafe struct Q5_1Block : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q5_1;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q5_1Block>.Integers(block, part, out first, out second);

    /// <inheritdoc/>
    public static int Bias => 0;

    /// <inheritdoc/>
    public static int LevelBits => 5;

    /// <inheritdoc/>
    public static bool HasFactors => false;

    /// <inheritdoc/>
    public static int Factor(byte* block, int part) => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) => SmallIntegers.Nibbles(block + 8) | SmallIntegers.Fifths(block + 4);
}

/// <summary>d; 32 signed bytes: b × d.</summary>
internal readonly unsafe struct Q8_0Block : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q8_0;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        SmallIntegers.Widen(Levels(block), out first, out second);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => SmallIntegers.Dot(Levels(block), Vector256.Load(x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Levels(byte* block) => Vector256.Load((sbyte*)block + 2);
}
