using System.Runtime.CompilerServices;

namespace Llama.Model.Weights;

#pragma warning disable CA1707 // The names that the GGUF world gives its types; people write them on command lines.

/// <summary>
/// How a tensor's elements are stored: one by one, or in blocks that share a scale, as ggml defines them (ggml-common.h). In the
/// latter, the number after Q is the bits of an element; <c>_0</c> has a scale, <c>_1</c> a scale and a minimum for 32 elements, and
/// <c>_K</c> has scales in 4 to 8 bits for 16 or 32 elements within 256. IQ chooses numbers from tables, TQ are ternary, MXFP4 has powers of
/// two as scales.
/// </summary>
public enum ElementType
{
    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    F32,

    /// <summary>IEEE 754 half precision, 2 bytes.</summary>
    F16,

    /// <summary>The upper half of a single-precision number, 2 bytes.</summary>
    BF16,

    /// <summary>32 elements in 18 bytes.</summary>
    Q4_0,

    /// <summary>32 elements in 20 bytes.</summary>
    Q4_1,

    /// <summary>32 elements in 22 bytes.</summary>
    Q5_0,

    /// <summary>32 elements in 24 bytes.</summary>
    Q5_1,

    /// <summary>32 elements in 34 bytes.</summary>
    Q8_0,

    /// <summary>256 elements in 144 bytes.</summary>
    Q4_K,

    /// <summary>256 elements in 176 bytes.</summary>
    Q5_K,

    /// <summary>256 elements in 210 bytes.</summary>
    Q6_K,

    /// <summary>256 elements in 84 bytes.</summary>
    Q2_K,

    /// <summary>256 elements in 110 bytes.</summary>
    Q3_K,

    /// <summary>32 elements in 18 bytes.</summary>
    IQ4_NL,

    /// <summary>256 elements in 136 bytes.</summary>
    IQ4_XS,

    /// <summary>256 elements in 110 bytes.</summary>
    IQ3_S,

    /// <summary>256 elements in 98 bytes.</summary>
    IQ3_XXS,

    /// <summary>256 elements in 82 bytes.</summary>
    IQ2_S,

    /// <summary>256 elements in 74 bytes.</summary>
    IQ2_XS,

    /// <summary>256 elements in 66 bytes.</summary>
    IQ2_XXS,

    /// <summary>256 elements in 56 bytes.</summary>
    IQ1_M,

    /// <summary>256 elements in 50 bytes.</summary>
    IQ1_S,

    /// <summary>256 elements in 66 bytes.</summary>
    TQ2_0,

    /// <summary>256 elements in 54 bytes.</summary>
    TQ1_0,

    /// <summary>32 elements in 17 bytes.</summary>
    MXFP4,
}

/// <summary>Sizes of element types.</summary>
public static class ElementTypes
{
    /// <summary>Elements of a block: rows are whole blocks. 1 where elements are stored one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int BlockElements(this ElementType type) => type switch
    {
        ElementType.F32 or ElementType.F16 or ElementType.BF16 => 1,
        ElementType.Q4_0 or ElementType.Q4_1 or ElementType.Q5_0 or ElementType.Q5_1 or ElementType.Q8_0 or ElementType.IQ4_NL or ElementType.MXFP4 => 32,
        _ => 256,
    };

    /// <summary>Bytes of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int BlockBytes(this ElementType type) => type switch
    {
        ElementType.F32 => 4,
        ElementType.F16 or ElementType.BF16 => 2,
        ElementType.Q4_0 => 18,
        ElementType.Q4_1 => 20,
        ElementType.Q5_0 => 22,
        ElementType.Q5_1 => 24,
        ElementType.Q8_0 => 34,
        ElementType.Q4_K => 144,
        ElementType.Q5_K => 176,
        ElementType.Q6_K => 210,
        ElementType.Q2_K => 84,
        ElementType.Q3_K => 110,
        ElementType.IQ4_NL => 18,
        ElementType.IQ4_XS => 136,
        ElementType.IQ3_S => 110,
        ElementType.IQ3_XXS => 98,
        ElementType.IQ2_S => 82,
        ElementType.IQ2_XS => 74,
        ElementType.IQ2_XXS => 66,
        ElementType.IQ1_M => 56,
        ElementType.IQ1_S => 50,
        ElementType.TQ2_0 => 66,
        ElementType.TQ1_0 => 54,
        ElementType.MXFP4 => 17,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no element type"),
    };

    /// <summary>Bytes that <paramref name="elements"/> elements take: a whole number of rows, or of blocks.</summary>
    public static long Bytes(this ElementType type, long elements) => elements / type.BlockElements() * type.BlockBytes();
}
