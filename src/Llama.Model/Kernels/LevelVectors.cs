using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// What blocks of interleaved levels (<see cref="LevelRows{T}"/>) hold, as vectors: 256 bits for eight rows, 512 for sixteen, of two groups a and b.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal static unsafe class LevelVectors<T>
    where T : struct, ILevelFormat
{
    /// <summary>Quads of a part.</summary>
    public const int PartQuads = BlockRows.PartElements / 4;

    /// <summary>
    /// Planes of a level: one, the level, or of numbers from a table, which as bytes have products too large for sums of 16 bits, their lower and their
    /// upper four bits, the bias added before.
    /// </summary>
    public static int Planes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.HasTable ? 2 : 1;
    }

    /// <summary>Quads of a part whose products 16 bits hold the sum of.</summary>
    public static int SumQuads
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.LevelBits switch { 6 => 2, 5 => 4, _ => PartQuads };
    }

    /// <summary>The first plane of a table, or the second.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Table(int plane)
    {
        if (!T.HasTable) return default;
        Vector128<byte> table = T.Table.AsByte() + Vector128.Create((byte)T.Bias);
        table = (table.AsUInt16() >>> (4 * plane)).AsByte() & Vector128.Create((byte)15);
        return Vector256.Create(table, table);
    }

    /// <summary>What the levels of a quad stand for in a plane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Look(Vector256<byte> table, Vector256<byte> quad) => SmallIntegers.Look(table.GetLower().AsSByte(), quad).AsByte();

    /// <summary>What the levels of a quad stand for in a plane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Look(Vector512<byte> table, Vector512<byte> quad) => Avx512BW.Shuffle(table, quad);

    /// <summary>The bits of the quads of a stored vector that lie behind the lower ones, moved to where those of the first quad are the lowest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Rest(byte* levels, int vector) => T.LevelBits switch
    {
        3 or 5 => (Vector256.Load(levels + (32 * LevelRows<T>.LowerBits)).AsUInt16() >>> vector).AsByte(),
        6 => (Vector256.Load(levels + 128 + (vector % 2 * 32)).AsUInt16() >>> (vector / 2 * 2)).AsByte(),
        _ => default,
    };

    /// <summary>One of the quads that share a vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Level(Vector256<byte> lower, Vector256<byte> rest, int place)
    {
        Vector256<byte> level = T.LevelBits < 4 ? Bits(lower, 2 * place, 3) : Bits(lower, 4 * place, 15);
        return T.LevelBits switch
        {
            3 => level | Bits(rest, (2 * place) - 2, 4),
            5 => level | Bits(rest, (4 * place) - 4, 16),
            6 => level | Bits(rest, (4 * place) - 4, 48),
            _ => level,
        };
    }

    /// <summary>The levels of a part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack(
        byte* levels, out Vector256<byte> q0, out Vector256<byte> q1, out Vector256<byte> q2, out Vector256<byte> q3, out Vector256<byte> q4, out Vector256<byte> q5, out Vector256<byte> q6, out Vector256<byte> q7)
    {
        Vector256<byte> v0 = Vector256.Load(levels), v1 = Vector256.Load(levels + 32), r0 = Rest(levels, 0), r1 = Rest(levels, 1);
        if (LevelRows<T>.LowerBits == 2)
        {
            (q0, q2, q4, q6) = (Level(v0, r0, 0), Level(v0, r0, 1), Level(v0, r0, 2), Level(v0, r0, 3));
            (q1, q3, q5, q7) = (Level(v1, r1, 0), Level(v1, r1, 1), Level(v1, r1, 2), Level(v1, r1, 3));
            return;
        }

        Vector256<byte> v2 = Vector256.Load(levels + 64), v3 = Vector256.Load(levels + 96), r2 = Rest(levels, 2), r3 = Rest(levels, 3);
        (q0, q1, q2, q3) = (Level(v0, r0, 0), Level(v1, r1, 0), Level(v2, r2, 0), Level(v3, r3, 0));
        (q4, q5, q6, q7) = (Level(v0, r0, 1), Level(v1, r1, 1), Level(v2, r2, 1), Level(v3, r3, 1));
    }

    /// <summary>A stored vector of each group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Both(byte* a, byte* b) => Lanes.Join(Vector256.Load(a), Vector256.Load(b));

    /// <summary>The bits of the quads of a stored vector that lie behind the lower ones, moved to where those of the first quad are the lowest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Rest(byte* a, byte* b, int vector) => T.LevelBits switch
    {
        3 or 5 => (Both(a + (32 * LevelRows<T>.LowerBits), b + (32 * LevelRows<T>.LowerBits)).AsUInt16() >>> vector).AsByte(),
        6 => (Both(a + 128 + (vector % 2 * 32), b + 128 + (vector % 2 * 32)).AsUInt16() >>> (vector / 2 * 2)).AsByte(),
        _ => default,
    };

    /// <summary>One of the quads that share a vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Level(Vector512<byte> lower, Vector512<byte> rest, int place)
    {
        Vector512<byte> level = T.LevelBits < 4 ? Bits(lower, 2 * place, 3) : Bits(lower, 4 * place, 15);
        return T.LevelBits switch
        {
            3 => level | Bits(rest, (2 * place) - 2, 4),
            5 => level | Bits(rest, (4 * place) - 4, 16),
            6 => level | Bits(rest, (4 * place) - 4, 48),
            _ => level,
        };
    }

    /// <summary>The levels of a part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack(
        byte* a, byte* b, out Vector512<byte> q0, out Vector512<byte> q1, out Vector512<byte> q2, out Vector512<byte> q3, out Vector512<byte> q4, out Vector512<byte> q5, out Vector512<byte> q6, out Vector512<byte> q7)
    {
        Vector512<byte> v0 = Both(a, b), v1 = Both(a + 32, b + 32), r0 = Rest(a, b, 0), r1 = Rest(a, b, 1);
        if (LevelRows<T>.LowerBits == 2)
        {
            (q0, q2, q4, q6) = (Level(v0, r0, 0), Level(v0, r0, 1), Level(v0, r0, 2), Level(v0, r0, 3));
            (q1, q3, q5, q7) = (Level(v1, r1, 0), Level(v1, r1, 1), Level(v1, r1, 2), Level(v1, r1, 3));
            return;
        }

        Vector512<byte> v2 = Both(a + 64, b + 64), v3 = Both(a + 96, b + 96), r2 = Rest(a, b, 2), r3 = Rest(a, b, 3);
        (q0, q1, q2, q3) = (Level(v0, r0, 0), Level(v1, r1, 0), Level(v2, r2, 0), Level(v3, r3, 0));
        (q4, q5, q6, q7) = (Level(v0, r0, 1), Level(v1, r1, 1), Level(v2, r2, 1), Level(v3, r3, 1));
    }

    /// <summary>A part's factors, two words for each row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Factors(byte* block, int part)
    {
        if (!T.HasFactors) return Vector256<short>.One;
        byte* factors = block + LevelRows<T>.FactorsAt + (part * LevelRows<T>.FactorBytes);
        if (!LevelRows<T>.HasHalfFactors) return SmallIntegers.Widen(Twice(factors));
        Vector256<short> words = SmallIntegers.Widen(Vector128.Load((sbyte*)factors));
        return LevelRows<T>.OffsetsShareBytes ? words & Vector256.Create((short)15) : words;
    }

    /// <summary>A part's factors, two words for each row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Factors(byte* a, byte* b, int part)
    {
        if (!T.HasFactors) return Vector512<short>.One;
        int at = LevelRows<T>.FactorsAt + (part * LevelRows<T>.FactorBytes);
        if (!LevelRows<T>.HasHalfFactors) return Widen(Twice(a + at), Twice(b + at));
        Vector512<short> words = Widen(Vector128.Load((sbyte*)a + at), Vector128.Load((sbyte*)b + at));
        return LevelRows<T>.OffsetsShareBytes ? words & Vector512.Create((short)15) : words;
    }

    /// <summary>What the bias adds to the sums of a part for each that its inputs add up to, with the sign that takes it away.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Biases(Vector256<short> factors) =>
        T.HasFactors ? factors * Vector256.Create((short)-T.Bias) : Vector256.Create((short)-T.Bias);

    /// <summary>What the bias adds to the sums of a part for each that its inputs add up to, with the sign that takes it away.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Biases(Vector512<short> factors) =>
        T.HasFactors ? factors * Vector512.Create((short)-T.Bias) : Vector512.Create((short)-T.Bias);

    /// <summary>A pair of offsets of each row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Offsets(byte* block, int pair)
    {
        if (!T.HasFactors) return Vector256<short>.One;
        Vector256<short> words = SmallIntegers.Widen(Vector128.Load((sbyte*)block + LevelRows<T>.OffsetsAt + (pair * 2 * Lanes.Count)));
        return LevelRows<T>.OffsetsShareBytes ? -((words >>> 4) & Vector256.Create((short)15)) : words;
    }

    /// <summary>A pair of offsets of each row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Offsets(byte* a, byte* b, int pair)
    {
        if (!T.HasFactors) return Vector512<short>.One;
        int at = LevelRows<T>.OffsetsAt + (pair * 2 * Lanes.Count);
        Vector512<short> words = Widen(Vector128.Load((sbyte*)a + at), Vector128.Load((sbyte*)b + at));
        return LevelRows<T>.OffsetsShareBytes ? -((words >>> 4) & Vector512.Create((short)15)) : words;
    }

    /// <summary>The blocks' scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block) => HalfBits.ToSingle(Vector128.Load((ushort*)block));

    /// <summary>The scales of the blocks' offsets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> OffsetScales(byte* block) => HalfBits.ToSingle(Vector128.Load((ushort*)block + Lanes.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Widen(Vector128<sbyte> a, Vector128<sbyte> b) => Avx512BW.ConvertToVector512Int16(Vector256.Create(a, b));

    /// <summary>Eight bytes, each twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Twice(byte* source) => Vector128.Shuffle(
        Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(source)).AsSByte(), Vector128.Create(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));

    /// <summary>Some bits of each byte, moved down, or up where that is negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Bits(Vector256<byte> bytes, int down, byte mask) =>
        (down == 0 ? bytes : (down < 0 ? bytes.AsUInt16() << -down : bytes.AsUInt16() >>> down).AsByte()) & Vector256.Create(mask);

    /// <summary>Some bits of each byte, moved down, or up where that is negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Bits(Vector512<byte> bytes, int down, byte mask) =>
        (down == 0 ? bytes : (down < 0 ? bytes.AsUInt16() << -down : bytes.AsUInt16() >>> down).AsByte()) & Vector512.Create(mask);
}
