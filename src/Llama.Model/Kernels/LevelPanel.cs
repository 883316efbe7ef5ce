using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Interleaved rows of numbers from a table as a panel: for many tokens it pays to widen them once for all, because as bytes they would be
/// multiplied in two planes. In 512-bit vectors, and with AVX-VNNI (<see cref="TableProduct{T}"/>), it does not.
/// </summary>
/// <typeparam name="T">The format: with a table, and factors for parts if any.</typeparam>
internal static unsafe class LevelPanel<T>
    where T : struct, ILevelFormat
{
    private const int PairBytes = BlockPanel.Rows * sizeof(int);

    /// <summary>Lays some blocks of a group out in a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(byte* group, int firstBlock, int blocks, Panel panel)
    {
        byte* block = group + ((long)firstBlock * LevelRows<T>.BlockBytes);
        for (int i = 0; i < blocks; i++, panel = panel.NextScales())
        {
            LevelVectors<T>.Scales(block).Store(panel.Scales);
            byte* levels = block + LevelRows<T>.LevelsAt;
            for (int part = 0; part < LevelRows<T>.Parts; part++, levels += LevelRows<T>.PartBytes)
            {
                Vector256<short> factors = LevelVectors<T>.Factors(block, part);
                LevelVectors<T>.Unpack(levels, out var q0, out var q1, out var q2, out var q3, out var q4, out var q5, out var q6, out var q7);
                Store(q0, factors, panel.Integers);
                Store(q1, factors, panel.Integers + PairBytes);
                Store(q2, factors, panel.Integers + (2 * PairBytes));
                Store(q3, factors, panel.Integers + (3 * PairBytes));
                Store(q4, factors, panel.Integers + (4 * PairBytes));
                Store(q5, factors, panel.Integers + (5 * PairBytes));
                Store(q6, factors, panel.Integers + (6 * PairBytes));
                Store(q7, factors, panel.Integers + (7 * PairBytes));
                panel.Integers += 2 * LevelVectors<T>.PartQuads * PairBytes;
            }

            block = levels;
        }
    }

    /// <summary>Stores the two pairs of columns of a quad, of which the second lies half a part further.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<byte> quad, Vector256<short> factors, byte* target)
    {
        Vector256<short> bytes = SmallIntegers.Look(T.Table, quad).AsInt16(), even = ((bytes << 8) >> 8) * factors, odd = (bytes >> 8) * factors;
        ((even.AsInt32() & Vector256.Create(0xffff)) | (odd.AsInt32() << 16)).Store((int*)target);
        ((even.AsInt32() >>> 16) | (odd.AsInt32() & Vector256.Create(unchecked((int)0xffff0000)))).Store((int*)(target + (LevelVectors<T>.PartQuads * PairBytes)));
    }
}
