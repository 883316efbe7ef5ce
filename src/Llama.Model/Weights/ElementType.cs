using System.Runtime.CompilerServices;

namespace Llama.Model.Weights;

#pragma warning disable CA1707 // The names that the GGUF world gives its types; people write them on command lines.

/// <summary>
/// How a tensor's elements are stored: one by one, or in blocks that share a scale, as ggml defines them (ggml-common.h). In the
/// latter, the number after Q is the bits of an element; <c>_0</c> has a scale, <c>_1</c> a scale and a minimum for 32 elements, and
/// <c>_K</c> has scales in 6 or 8 bits for 16 or 32 elements within 256.
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
}

/// <summary>Sizes of element types.</summary>
public static class ElementTypes
{
    /// <summary>Elements of a block: rows are whole blocks. 1 where elements are stored one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int BlockElements(this ElementType type) => type switch
    {
        ElementType.F32 or ElementType.F16 or ElementType.BF16 => 1,
        ElementType.Q4_K or ElementType.Q5_K or ElementType.Q6_K => 256,
        _ => 32,
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
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no element type"),
    };

    /// <summary>Bytes that <paramref name="elements"/> elements take: a whole number of rows, or of blocks.</summary>
    public static long Bytes(this ElementType type, long elements) => elements / type.BlockElements() * type.BlockBytes();
}
