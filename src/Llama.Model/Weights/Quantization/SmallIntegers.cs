using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>What the block formats share: taking small integers out of bytes, sixteen at a time, and scaling them.</summary>
internal static unsafe class SmallIntegers
{
    /// <summary>The half-precision number at an address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(byte* source) => HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(source));

    /// <summary>The lower four bits of sixteen bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Low(Vector128<byte> bytes) => bytes & Vector128.Create((byte)0x0f);

    /// <summary>The upper four bits of sixteen bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> High(Vector128<byte> bytes) => Low((bytes.AsUInt16() >>> 4).AsByte());

    /// <summary>Sixteen where a byte has a bit, else zero: the fifth bit of an element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Fifth(Vector128<byte> bytes, Vector128<byte> bit) =>
        Vector128.Equals(bytes & bit, bit) & Vector128.Create((byte)16);

    /// <summary>Sixteen where a bit of a word is set, else zero: the fifth bits of sixteen elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Fifth(ushort bits)
    {
        Vector128<byte> spread = Vector128.Create(Vector64.Create((byte)bits), Vector64.Create((byte)(bits >> 8)));
        return Fifth(spread, Vector128.Create(0x8040201008040201).AsByte());
    }

    /// <summary>Stores sixteen integers times a scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<sbyte> values, float scale, float* target)
    {
        Vector256<float> factor = Vector256.Create(scale);
        (Vector256<float> lower, Vector256<float> upper) = ToSingle(values);
        (lower * factor).Store(target);
        (upper * factor).Store(target + 8);
    }

    /// <summary>
    /// Stores sixteen integers times a scale plus an offset. The formats' scales have so few bits that the product is exact, so whether
    /// it is fused with the addition makes no difference.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<byte> values, float scale, float offset, float* target)
    {
        Vector256<float> factor = Vector256.Create(scale), addend = Vector256.Create(offset);
        (Vector256<float> lower, Vector256<float> upper) = ToSingle(values.AsSByte());
        ((lower * factor) + addend).Store(target);
        ((upper * factor) + addend).Store(target + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Lower, Vector256<float> Upper) ToSingle(Vector128<sbyte> values)
    {
        Vector256<short> words = Vector256.Create(Vector128.WidenLower(values), Vector128.WidenUpper(values));
        return (Vector256.ConvertToSingle(Vector256.WidenLower(words)), Vector256.ConvertToSingle(Vector256.WidenUpper(words)));
    }
}
