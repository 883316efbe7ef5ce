using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 256 elements that choose points of a grid, four or eight magnitudes each, with signs (ggml-common.h: block_iq2_xxs to
// block_iq3_s). A part of 32 elements, or each half of it, has a factor 2s + 1 of four bits s.

/// <summary>d; for each part four points of eight bits, four times seven signs and s: (2s + 1) × g × d / 8.</summary>
internal readonly unsafe struct IQ2_XXSBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ2_XXS;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<IQ2_XXSBlock>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block) => HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block)) / 8;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        byte* points = block + 2 + (8 * part);
        uint signs = Unsafe.ReadUnaligned<uint>(points + 4);
        ulong[] grid = Grids.OfIQ2_XXS;
        Vector256<ulong> magnitudes = Vector256.Create(grid[points[0]], grid[points[1]], grid[points[2]], grid[points[3]]);
        int factor = (int)(2 * (signs >> 28)) + 1;
        GridPoints.Integers(magnitudes, GridPoints.FourTimesSeven(signs), factor, factor, out first, out second);
    }
}

/// <summary>d; 32 points of nine bits with seven signs; for each part two s: (2s + 1) × g × d / 8.</summary>
internal readonly unsafe struct IQ2_XSBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ2_XS;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<IQ2_XSBlock>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block) => HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block)) / 8;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        ushort* points = (ushort*)(block + 2 + (8 * part));
        ulong[] grid = Grids.OfIQ2_XS, signs = Grids.Signs;
        uint p0 = points[0], p1 = points[1], p2 = points[2], p3 = points[3];
        GridPoints.Integers(
            Vector256.Create(grid[p0 & 511], grid[p1 & 511], grid[p2 & 511], grid[p3 & 511]),
            Vector256.Create(signs[Grids.Even(p0 >> 9)], signs[Grids.Even(p1 >> 9)], signs[Grids.Even(p2 >> 9)], signs[Grids.Even(p3 >> 9)]),
            GridPoints.Factor(block + 66, part, 0),
            GridPoints.Factor(block + 66, part, 1),
            out first,
            out second);
    }
}

/// <summary>d; 32 points, lower eight bits; 32 times eight signs; the points' upper two bits; for each part two s: (2s + 1) × g × d / 8.</summary>
internal readonly unsafe struct IQ2_SBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ2_S;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<IQ2_SBlock>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block) => HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block)) / 8;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        byte* points = block + 2 + (4 * part);
        int upper = block[66 + part] << 8;
        ulong[] grid = Grids.OfIQ2_S;
        GridPoints.Integers(
            Vector256.Create(
                grid[points[0] | (upper & 0x300)], grid[points[1] | ((upper >> 2) & 0x300)],
                grid[points[2] | ((upper >> 4) & 0x300)], grid[points[3] | ((upper >> 6) & 0x300)]),
            GridPoints.FourTimesEight(points + 32),
            GridPoints.Factor(block + 74, part, 0),
            GridPoints.Factor(block + 74, part, 1),
            out first,
            out second);
    }
}

/// <summary>d; 64 points of eight bits; for each part four times seven signs and s: (2s + 1) × g × d / 4.</summary>
internal readonly unsafe struct IQ3_XXSBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ3_XXS;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<IQ3_XXSBlock>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block) => HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block)) / 4;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        byte* points = block + 2 + (8 * part);
        uint signs = Unsafe.ReadUnaligned<uint>(block + 66 + (4 * part));
        ulong[] grid = Grids.OfIQ3_XXS;
        Vector256<ulong> magnitudes = Vector256.Create(
            grid[points[0]] | (grid[points[1]] << 32), grid[points[2]] | (grid[points[3]] << 32),
            grid[points[4]] | (grid[points[5]] << 32), grid[points[6]] | (grid[points[7]] << 32));
        int factor = (int)(2 * (signs >> 28)) + 1;
        GridPoints.Integers(magnitudes, GridPoints.FourTimesSeven(signs), factor, factor, out first, out second);
    }
}

/// <summary>d; 64 points, lower eight bits; their ninth bits; 32 times eight signs; an s for each part: (2s + 1) × g × d.</summary>
internal readonly unsafe struct IQ3_SBlock : IRowFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ3_S;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => BlockDot.OfIntegers<IQ3_SBlock>(block, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        byte* points = block + 2 + (8 * part);
        int upper = block[66 + part] << 8;
        ulong[] grid = Grids.OfIQ3_S;
        Vector256<ulong> magnitudes = Vector256.Create(
            grid[points[0] | (upper & 256)] | (grid[points[1] | ((upper >> 1) & 256)] << 32),
            grid[points[2] | ((upper >> 2) & 256)] | (grid[points[3] | ((upper >> 3) & 256)] << 32),
            grid[points[4] | ((upper >> 4) & 256)] | (grid[points[5] | ((upper >> 5) & 256)] << 32),
            grid[points[6] | ((upper >> 6) & 256)] | (grid[points[7] | ((upper >> 7) & 256)] << 32));
        int factor = GridPoints.Factor(block + 106, part / 2, part % 2);
        GridPoints.Integers(magnitudes, GridPoints.FourTimesEight(block + 74 + (4 * part)), factor, factor, out first, out second);
    }
}

/// <summary>What these formats share.</summary>
internal static unsafe class GridPoints
{
    /// <summary>Eight magnitudes in each number, with signs as <see cref="Grids.Signs"/> has them, times a factor for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(
        Vector256<ulong> magnitudes, Vector256<ulong> signs, int factor, int secondFactor, out Vector256<short> first, out Vector256<short> second)
    {
        SmallIntegers.Widen((magnitudes ^ signs).AsSByte() - signs.AsSByte(), out first, out second);
        first *= Vector256.Create((short)factor);
        second *= Vector256.Create((short)secondFactor);
    }

    /// <summary>Four times seven signs from the lowest bit on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> FourTimesSeven(uint bits)
    {
        ulong[] signs = Grids.Signs;
        return Vector256.Create(
            signs[Grids.Even(bits & 127)], signs[Grids.Even((bits >> 7) & 127)],
            signs[Grids.Even((bits >> 14) & 127)], signs[Grids.Even((bits >> 21) & 127)]);
    }

    /// <summary>Eight signs in each of four bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> FourTimesEight(byte* bits)
    {
        ulong[] signs = Grids.Signs;
        return Vector256.Create(signs[bits[0]], signs[bits[1]], signs[bits[2]], signs[bits[3]]);
    }

    /// <summary>2s + 1, where s is the lower (0) or upper (1) half of a byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Factor(byte* bytes, int index, int upper) => (2 * ((bytes[index] >> (4 * upper)) & 15)) + 1;
}
