namespace Llama.Model.Weights;

/// <summary>How a tensor's elements are stored.</summary>
public enum ElementType
{
    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    F32,

    /// <summary>IEEE 754 half precision, 2 bytes.</summary>
    F16,

    /// <summary>The upper half of a single-precision number, 2 bytes.</summary>
    BF16,
}

/// <summary>Sizes of element types.</summary>
public static class ElementTypes
{
    /// <summary>Bytes that <paramref name="elements"/> elements of a row take.</summary>
    public static long Bytes(this ElementType type, long elements) => type == ElementType.F32 ? elements * 4 : elements * 2;
}
