using Llama.Model.Checkpoints.HuggingFace;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Files;

/// <summary>A tensor where it lies in a mapped file, row by row without gaps.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="File">The file's path.</param>
/// <param name="TypeName">Stored type: <c>F32</c>, <c>F16</c>, <c>BF16</c>, or one that cannot be used.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="Data">Address of its first element.</param>
internal sealed record StoredTensor(string Name, string File, string TypeName, long[] Shape, nint Data)
{
    /// <summary>Its first byte in the file.</summary>
    public required long Offset { get; init; }

    /// <summary>Whether its bytes are on this machine: of some files only parts were copied.</summary>
    public required bool IsHere { get; init; }

    /// <summary>The stored type where its reader has checked it; null where <see cref="TypeName"/> tells.</summary>
    public ElementType? KnownType { get; init; }

    /// <summary>The stored type.</summary>
    /// <exception cref="CheckpointException">It is not one that the model computes with.</exception>
    public ElementType Type => KnownType ?? TypeName switch
    {
        "F32" => ElementType.F32,
        "F16" => ElementType.F16,
        "BF16" => ElementType.BF16,
        _ => throw new CheckpointException($"{File}: tensor {Name}: found type {TypeName}, expected F32, F16 or BF16"),
    };

    /// <summary>Bytes of all elements.</summary>
    public long DataBytes => IsFp8 ? Elements : Type.Bytes(Elements);

    /// <summary>Elements of all dimensions.</summary>
    public long Elements => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    /// <summary>Whether it holds eight-bit floats, which are decoded before the model computes with them.</summary>
    public bool IsFp8 => KnownType is null && TypeName == Fp8Weights.TypeName;

    /// <summary>A shape as messages show it.</summary>
    public static string Text(params ReadOnlySpan<long> shape)
    {
        string[] dimensions = new string[shape.Length];
        for (int i = 0; i < shape.Length; i++) dimensions[i] = $"{shape[i]}";
        return $"[{string.Join(", ", dimensions)}]";
    }

    /// <summary>Bytes of a tensor of this shape, or null where they are more than any file holds.</summary>
    /// <param name="shape">Dimensions, none negative.</param>
    /// <param name="elementBytes">Bytes of an element.</param>
    public static long? Bytes(ReadOnlySpan<long> shape, int elementBytes)
    {
        // An empty tensor is empty whatever its other dimensions are.
        if (shape.Contains(0)) return 0;
        UInt128 bytes = (UInt128)elementBytes;
        foreach (long dimension in shape)
        {
            bytes *= (UInt128)dimension;
            if (bytes > long.MaxValue) return null;
        }

        return (long)bytes;
    }
}
