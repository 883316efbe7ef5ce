using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama.Model.Weights.Quantization;

/// <summary>What the block formats share: taking small integers out of bytes, and exact sums of their products.</summary>
internal static unsafe class SmallIntegers
{
    /// <summary>The nibbles of sixteen bytes: the lower ones, then the upper ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Nibbles(byte* source)
    {
        Vector128<byte> bytes = Vector128.Load(source);
        return Vector256.Create(bytes, (bytes.AsUInt16() >>> 4).AsByte()) & Vector256.Create((byte)0x0f);
    }

    /// <summary>The lower (0) or the upper (1) nibbles of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Nibbles(byte* source, int upper) =>
        (Vector256.Load(source).AsUInt16() >>> (4 * upper)).AsByte() & Vector256.Create((byte)0x0f);

    /// <summary>Sixteen where a byte has a bit, else zero: a fifth bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Fifths(Vector256<byte> bytes, Vector256<byte> bit) =>
        Vector256.Equals(bytes & bit, bit) & Vector256.Create((byte)16);

    /// <summary>Sixteen where a bit of a 32-bit word is set, else zero: the fifth bits of 32 elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Fifths(byte* source)
    {
        Vector128<byte> lower = Vector128.Create(Vector64.Create(source[0]), Vector64.Create(source[1]));
        Vector128<byte> upper = Vector128.Create(Vector64.Create(source[2]), Vector64.Create(source[3]));
        return Fifths(Vector256.Create(lower, upper), Vector256.Create(0x8040201008040201).AsByte());
    }

    /// <summary>32 signed bytes as 16-bit integers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(Vector256<sbyte> bytes, out Vector256<short> first, out Vector256<short> second)
    {
        first = Widen(bytes.GetLower());
        second = Widen(bytes.GetUpper());
    }

    /// <summary>Sixteen signed bytes as 16-bit integers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Widen(Vector128<sbyte> bytes) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int16(bytes)
        : Vector256.Create(Vector128.WidenLower(bytes), Vector128.WidenUpper(bytes));

    /// <summary>Products of 16-bit integers, neighbours added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAddPairs(Vector256<short> a, Vector256<short> b)
    {
        if (Avx2.IsSupported) return Avx2.MultiplyAddAdjacent(a, b);
        Vector256<int> even = ((a.AsInt32() << 16) >> 16) * ((b.AsInt32() << 16) >> 16);
        return even + ((a.AsInt32() >> 16) * (b.AsInt32() >> 16));
    }

    /// <summary>Products of unsigned with signed bytes, neighbours added; their sums must fit 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> MultiplyAddPairs(Vector256<byte> a, Vector256<sbyte> b)
    {
        if (Avx2.IsSupported) return Avx2.MultiplyAddAdjacent(a, b);
        Vector256<short> even = (a.AsInt16() & Vector256.Create((short)0xff)) * ((b.AsInt16() << 8) >> 8);
        return even + ((a.AsUInt16() >>> 8).AsInt16() * (b.AsInt16() >> 8));
    }

    /// <summary>Products of signed bytes, neighbours added; none of <paramref name="b"/> is -128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> MultiplyAddPairs(Vector256<sbyte> a, Vector256<sbyte> b)
    {
        // The instruction wants one side unsigned: the sign moves over to the other.
        Vector256<sbyte> signed = Avx2.IsSupported
            ? Avx2.Sign(b, a)
            : Vector256.ConditionalSelect(Vector256.LessThan(a, Vector256<sbyte>.Zero), -b, b);
        return MultiplyAddPairs(Vector256.Abs(a).AsByte(), signed);
    }

    /// <summary>
    /// Products of the nibbles of two times sixteen bytes with 32 signed bytes, four of them added: in the lower half of the result the
    /// first sixteen bytes', in the upper half the others'.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> DotNibbles(Vector256<byte> bytes, sbyte* x)
    {
        Vector128<sbyte> first = Vector128.Load(x), second = Vector128.Load(x + 16);
        Vector256<byte> mask = Vector256.Create((byte)0x0f);
        return MultiplyAddPairs(bytes & mask, Vector256.Create(first, first))
            + MultiplyAddPairs((bytes.AsUInt16() >>> 4).AsByte() & mask, Vector256.Create(second, second));
    }

    /// <summary>Two blocks' sums of neighbours as four lanes each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddPairs(Vector256<short> a, Vector256<short> b) =>
        AddHalves(MultiplyAddPairs(a, Vector256<short>.One), MultiplyAddPairs(b, Vector256<short>.One));

    /// <summary>Two blocks' eight lanes as four each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddHalves(Vector256<int> a, Vector256<int> b) => Avx2.IsSupported
        ? Avx2.Permute2x128(a, b, 0x20) + Avx2.Permute2x128(a, b, 0x31)
        : Vector256.Create(a.GetLower() + a.GetUpper(), b.GetLower() + b.GetUpper());

    /// <summary>One number as the result of both blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Both(int value) => Vector256.Create(value, 0, 0, 0, value, 0, 0, 0);
}
