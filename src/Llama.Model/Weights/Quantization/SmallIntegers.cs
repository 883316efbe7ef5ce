using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
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

    /// <summary>Two bits of each of 32 bytes: parts 0 to 3 share the first 32 bytes, from the lowest bits on, others the next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> TwoBits(byte* source, int part) =>
        (Vector256.Load(source + (part / 4 * 32)).AsUInt16() >>> (2 * (part % 4))).AsByte() & Vector256.Create((byte)3);

    /// <summary>The numbers of a table that 32 nibbles stand for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<sbyte> Look(Vector128<sbyte> table, Vector256<byte> nibbles) => Avx2.IsSupported
        ? Avx2.Shuffle(Vector256.Create(table, table), nibbles.AsSByte())
        : Vector256.Create(Vector128.Shuffle(table, nibbles.GetLower().AsSByte()), Vector128.Shuffle(table, nibbles.GetUpper().AsSByte()));

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

    /// <summary>Pairs of bytes of the lower half, each followed by the pair at the same place of the upper half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> PairHalves(Vector256<byte> bytes)
    {
        Vector128<ushort> lower = bytes.GetLower().AsUInt16(), upper = bytes.GetUpper().AsUInt16();
        return Sse2.IsSupported
            ? Vector256.Create(Sse2.UnpackLow(lower, upper), Sse2.UnpackHigh(lower, upper)).AsByte()
            : (Vector256.Create(Vector128.WidenLower(lower), Vector128.WidenUpper(lower))
                | (Vector256.Create(Vector128.WidenLower(upper), Vector128.WidenUpper(upper)) << 16)).AsByte();
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

    /// <summary>Eight 16-bit integers as 32-bit ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Widen(Vector128<short> words) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int32(words)
        : Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words));

    /// <summary>Products of 16-bit integers, neighbours added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAddPairs(Vector128<short> a, Vector128<short> b)
    {
        if (Sse2.IsSupported) return Sse2.MultiplyAddAdjacent(a, b);
        if (AdvSimd.Arm64.IsSupported)
        {
            return AdvSimd.Arm64.AddPairwise(
                AdvSimd.MultiplyWideningLower(a.GetLower(), b.GetLower()), AdvSimd.MultiplyWideningUpper(a, b));
        }

        Vector128<int> even = ((a.AsInt32() << 16) >> 16) * ((b.AsInt32() << 16) >> 16);
        return even + ((a.AsInt32() >> 16) * (b.AsInt32() >> 16));
    }

    /// <summary>Products of 16-bit integers, neighbours added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAddPairs(Vector256<short> a, Vector256<short> b)
    {
        if (Avx2.IsSupported) return Avx2.MultiplyAddAdjacent(a, b);
        return Vector256.Create(MultiplyAddPairs(a.GetLower(), b.GetLower()), MultiplyAddPairs(a.GetUpper(), b.GetUpper()));
    }

    /// <summary>Products of bytes below 128 with signed ones, neighbours added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> MultiplyAddPairs(Vector256<byte> a, Vector256<sbyte> b)
    {
        if (Avx2.IsSupported) return Avx2.MultiplyAddAdjacent(a, b);
        if (AdvSimd.Arm64.IsSupported) return MultiplyAddSignedPairs(a.AsSByte(), b);
        Vector256<short> even = (a.AsInt16() & Vector256.Create((short)0xff)) * ((b.AsInt16() << 8) >> 8);
        return even + ((a.AsUInt16() >>> 8).AsInt16() * (b.AsInt16() >> 8));
    }

    /// <summary>Products of signed bytes, neighbours added; none of <paramref name="b"/> is -128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> MultiplyAddPairs(Vector256<sbyte> a, Vector256<sbyte> b)
    {
        if (AdvSimd.Arm64.IsSupported) return MultiplyAddSignedPairs(a, b);

        // The instruction wants one side unsigned: the sign moves over to the other.
        Vector256<sbyte> signed = Avx2.IsSupported
            ? Avx2.Sign(b, a)
            : Vector256.ConditionalSelect(Vector256.LessThan(a, Vector256<sbyte>.Zero), -b, b);
        return MultiplyAddPairs(Vector256.Abs(a).AsByte(), signed);
    }

    /// <summary>Products of signed bytes, four neighbours added; none of <paramref name="b"/> is -128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(Vector256<sbyte> a, Vector256<sbyte> b) => Dp.IsSupported
        ? Vector256.Create(
            Dp.DotProduct(Vector128<int>.Zero, a.GetLower(), b.GetLower()), Dp.DotProduct(Vector128<int>.Zero, a.GetUpper(), b.GetUpper()))
        : MultiplyAddPairs(MultiplyAddPairs(a, b), Vector256<short>.One);

    /// <summary>ARM multiplies signed bytes with signed ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> MultiplyAddSignedPairs(Vector256<sbyte> a, Vector256<sbyte> b) =>
        Vector256.Create(MultiplyAddSignedPairs(a.GetLower(), b.GetLower()), MultiplyAddSignedPairs(a.GetUpper(), b.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> MultiplyAddSignedPairs(Vector128<sbyte> a, Vector128<sbyte> b) => AdvSimd.Arm64.AddPairwise(
        AdvSimd.MultiplyWideningLower(a.GetLower(), b.GetLower()), AdvSimd.MultiplyWideningUpper(a, b));
}
