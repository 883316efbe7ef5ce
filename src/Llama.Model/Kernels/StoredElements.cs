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

    /// <summary>What numbers of <see cref="LoadTwo"/> have to be multiplied with, a power of two.</summary>
    static abstract float Scale { get; }

    /// <summary>Sixteen columns of a row that lies as <see cref="VectorRows"/> says, divided by <see cref="Scale"/>.</summary>
    /// <param name="tile">These columns of all four rows.</param>
    /// <param name="row">Which row.</param>
    /// <param name="first">Columns 0 to 7.</param>
    /// <param name="second">Columns 8 to 15.</param>
    static abstract void LoadTwo(byte* tile, int row, out Vector256<float> first, out Vector256<float> second);

    /// <summary>The same of two rows at once, one in each half.</summary>
    /// <param name="tile">These columns of all four rows.</param>
    /// <param name="pair">0 for the first two rows, 1 for the others.</param>
    /// <param name="first">Columns 0 to 7.</param>
    /// <param name="second">Columns 8 to 15.</param>
    static abstract void LoadPair(byte* tile, int pair, out Vector512<float> first, out Vector512<float> second);
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
}

/// <summary>Single precision.</summary>
internal readonly unsafe struct F32Elements : IStoredElements
{
    /// <inheritdoc/>
    public static int Size => 4;

    /// <inheritdoc/>
    public static float Scale => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source) => Vector256.Load((float*)source);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo(byte* tile, int row, out Vector256<float> first, out Vector256<float> second)
    {
        first = Vector256.Load((float*)tile + (row * Lanes.Count));
        second = Vector256.Load((float*)tile + ((MatrixProduct.TileRows + row) * Lanes.Count));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair(byte* tile, int pair, out Vector512<float> first, out Vector512<float> second)
    {
        first = Vector512.Load((float*)tile + (pair * 2 * Lanes.Count));
        second = Vector512.Load((float*)tile + ((MatrixProduct.TileRows + (pair * 2)) * Lanes.Count));
    }
}

/// <summary>bfloat16: the upper half of a single-precision number.</summary>
internal readonly unsafe struct BF16Elements : IStoredElements
{
    /// <inheritdoc/>
    public static int Size => 2;

    /// <inheritdoc/>
    public static float Scale => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source)
    {
        Vector128<ushort> words = Vector128.Load((ushort*)source);
        return (Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)) << 16).AsSingle();
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo(byte* tile, int row, out Vector256<float> first, out Vector256<float> second)
    {
        Vector256<int> both = Vector256.Load((int*)tile + (row * Lanes.Count));
        first = (both << 16).AsSingle();
        second = (both & Vector256.Create(unchecked((int)0xffff0000))).AsSingle();
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair(byte* tile, int pair, out Vector512<float> first, out Vector512<float> second)
    {
        Vector512<int> both = Vector512.Load((int*)tile + (pair * 2 * Lanes.Count));
        first = (both << 16).AsSingle();
        second = (both & Vector512.Create(unchecked((int)0xffff0000))).AsSingle();
    }
}

/// <summary>IEEE 754 half precision.</summary>
internal readonly unsafe struct F16Elements : IStoredElements
{
    /// <inheritdoc/>
    public static int Size => 2;

    /// <inheritdoc/>
    public static float Scale => HalfBits.Scale;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source) => HalfBits.ToSingle(Vector128.Load((ushort*)source));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo(byte* tile, int row, out Vector256<float> first, out Vector256<float> second) =>
        HalfBits.ToScaledSingles(Vector256.Load((int*)tile + (row * Lanes.Count)), out first, out second);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPair(byte* tile, int pair, out Vector512<float> first, out Vector512<float> second) =>
        HalfBits.ToScaledSingles(Vector512.Load((int*)tile + (pair * 2 * Lanes.Count)), out first, out second);
}
