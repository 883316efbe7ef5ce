using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>Reads eight stored elements as single-precision numbers. All conversions are exact.</summary>
internal unsafe interface IStoredElements
{
    /// <summary>Bytes of one element.</summary>
    static abstract int Size { get; }

    /// <summary>Eight elements from <paramref name="source"/>, which need not be aligned.</summary>
    static abstract Vector256<float> Load(byte* source);
}

/// <summary>Helpers over any stored type.</summary>
internal static unsafe class StoredElements
{
    /// <summary>The first <paramref name="count"/> elements (fewer than 8), the other lanes zero, reading nothing beyond them.</summary>
    public static Vector256<float> LoadPartial<T>(byte* source, int count)
        where T : struct, IStoredElements
    {
        byte* padded = stackalloc byte[Lanes.Count * sizeof(float)];
        Unsafe.InitBlockUnaligned(padded, 0, Lanes.Count * sizeof(float));
        Unsafe.CopyBlockUnaligned(padded, source, (uint)(count * T.Size));
        return T.Load(padded);
    }

    /// <summary>Converts <paramref name="count"/> elements.</summary>
    /// <param name="source">First element.</param>
    /// <param name="target">Receives them.</param>
    /// <param name="count">How many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Convert<T>(byte* source, float* target, int count)
        where T : struct, IStoredElements
    {
        int i = 0;
        for (; i <= count - Lanes.Count; i += Lanes.Count)
            T.Load(source + ((long)i * T.Size)).Store(target + i);
        if (i < count) Lanes.StorePartial(LoadPartial<T>(source + ((long)i * T.Size), count - i), target + i, count - i);
    }

    /// <summary>Converts one row of a tile, whose rows are interleaved by vectors.</summary>
    /// <param name="source">First element.</param>
    /// <param name="step">Bytes from eight of them to the next.</param>
    /// <param name="target">Receives them, a vector at a time, and those of the tile's other rows between.</param>
    /// <param name="count">How many, in whole vectors.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Convert<T>(byte* source, nint step, float* target, int count)
        where T : struct, IStoredElements
    {
        for (int i = 0; i < count; i += Lanes.Count, source += step, target += MatrixProduct.TileRows * Lanes.Count)
            T.Load(source).Store(target);
    }
}

/// <summary>Single precision.</summary>
internal readonly unsafe struct F32Elements : IStoredElements
{
    /// <inheritdoc/>
    public static int Size => 4;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source) => Vector256.Load((float*)source);
}

/// <summary>bfloat16: the upper half of a single-precision number.</summary>
internal readonly unsafe struct BF16Elements : IStoredElements
{
    /// <inheritdoc/>
    public static int Size => 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source) => (Widen((ushort*)source) << 16).AsSingle();

    /// <summary>Eight 16-bit words, each in the lower half of a 32-bit lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<uint> Widen(ushort* source)
    {
        Vector128<ushort> words = Vector128.Load(source);
        return Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words));
    }
}

/// <summary>IEEE 754 half precision.</summary>
internal readonly unsafe struct F16Elements : IStoredElements
{
    /// <inheritdoc/>
    public static int Size => 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source) => HalfBits.ToSingle(Vector128.Load((ushort*)source));
}
