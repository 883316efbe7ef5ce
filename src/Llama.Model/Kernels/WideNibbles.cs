using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products with interleaved rows of nibbles whose block is one part, without factors, in 512-bit vectors: sums of words alone are carried through a
/// block, so that the registers hold those of 32 rows with eight tokens, and each input that is loaded serves twice.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal static unsafe class WideNibbles<T>
    where T : struct, ILevelFormat
{
    private const int GroupTokens = RoundedInputs.GroupTokens;
    private const int PartQuads = LevelVectors<T>.PartQuads;
    private const int VectorBytes = 64;

    /// <summary>Whether the format is one of these.</summary>
    public static bool Serves
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.LevelBits == 4 && !T.HasTable && !T.HasFactors && LevelRows<T>.Parts == 1;
    }

    /// <summary>Four times eight rows with two times four tokens; see <see cref="IInterleavedProduct.MultiplyEightWide"/>.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyEight(byte* block, nint group, RoundedInputs inputs, int token, int others, bool asks, float* lanes, float* zeros)
    {
        byte* scratch = stackalloc byte[((2 * PartQuads) + 1) * VectorBytes];

        // Aligned, so that no vector lies in two lines of the cache.
        var quads = (Vector512<byte>*)(((nint)scratch + VectorBytes - 1) & -VectorBytes);
        int* x = inputs.Quads(token);
        int* xB = inputs.Quads(others);
        float* scales = inputs.Scales(token);
        int* sums = inputs.PairsOfSums(token);
        nint stride = inputs.Blocks;
        for (int i = 0; i < inputs.Blocks; i++, block += LevelRows<T>.BlockBytes)
        {
            for (byte* next = block + (4 * group); asks && next < block + (8 * group); next += group) Prefetch.Near(next, LevelRows<T>.BlockBytes);
            Unpack(block + LevelRows<T>.LevelsAt, group, quads);
            Vector512<short> a0 = Bias(sums + i), a1 = Bias(sums + i + stride), a2 = Bias(sums + i + (2 * stride)), a3 = Bias(sums + i + (3 * stride));
            Vector512<short> a4 = Bias(sums + i + (4 * stride)), a5 = Bias(sums + i + (5 * stride)), a6 = Bias(sums + i + (6 * stride));
            Vector512<short> a7 = Bias(sums + i + (7 * stride));
            Vector512<short> b0 = a0, b1 = a1, b2 = a2, b3 = a3, b4 = a4, b5 = a5, b6 = a6, b7 = a7;
            for (Vector512<byte>* quad = quads; quad < quads + (2 * PartQuads); quad += 2, x += GroupTokens, xB += GroupTokens)
            {
                Vector512<byte> a = quad[0], b = quad[1];
                Vector512<sbyte> bytes = Vector512.Create(x[0]).AsSByte();
                a0 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b0 += Avx512BW.MultiplyAddAdjacent(b, bytes);
                bytes = Vector512.Create(x[1]).AsSByte();
                a1 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b1 += Avx512BW.MultiplyAddAdjacent(b, bytes);
                bytes = Vector512.Create(x[2]).AsSByte();
                a2 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b2 += Avx512BW.MultiplyAddAdjacent(b, bytes);
                bytes = Vector512.Create(x[3]).AsSByte();
                a3 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b3 += Avx512BW.MultiplyAddAdjacent(b, bytes);
                bytes = Vector512.Create(xB[0]).AsSByte();
                a4 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b4 += Avx512BW.MultiplyAddAdjacent(b, bytes);
                bytes = Vector512.Create(xB[1]).AsSByte();
                a5 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b5 += Avx512BW.MultiplyAddAdjacent(b, bytes);
                bytes = Vector512.Create(xB[2]).AsSByte();
                a6 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b6 += Avx512BW.MultiplyAddAdjacent(b, bytes);
                bytes = Vector512.Create(xB[3]).AsSByte();
                a7 += Avx512BW.MultiplyAddAdjacent(a, bytes);
                b7 += Avx512BW.MultiplyAddAdjacent(b, bytes);
            }

            float* lane = lanes + (i % Lanes.Count * InterleavedProduct<LevelProduct<T>>.WideSums);
            float* before = i < Lanes.Count ? zeros : lane;
            byte* blockB = block + (2 * group);
            var rows = new BlockScales(
                WideLevels<T>.Scales(block, block + group), WideLevels<T>.Scales(blockB, blockB + group),
                WideLevels<T>.OffsetScales(block, block + group), WideLevels<T>.OffsetScales(blockB, blockB + group));
            rows.Add(a0, b0, sums + i, scales + i, before, lane);
            rows.Add(a1, b1, sums + i + stride, scales + i + stride, before + (4 * Lanes.Count), lane + (4 * Lanes.Count));
            rows.Add(a2, b2, sums + i + (2 * stride), scales + i + (2 * stride), before + (8 * Lanes.Count), lane + (8 * Lanes.Count));
            rows.Add(a3, b3, sums + i + (3 * stride), scales + i + (3 * stride), before + (12 * Lanes.Count), lane + (12 * Lanes.Count));
            rows.Add(a4, b4, sums + i + (4 * stride), scales + i + (4 * stride), before + (16 * Lanes.Count), lane + (16 * Lanes.Count));
            rows.Add(a5, b5, sums + i + (5 * stride), scales + i + (5 * stride), before + (20 * Lanes.Count), lane + (20 * Lanes.Count));
            rows.Add(a6, b6, sums + i + (6 * stride), scales + i + (6 * stride), before + (24 * Lanes.Count), lane + (24 * Lanes.Count));
            rows.Add(a7, b7, sums + i + (7 * stride), scales + i + (7 * stride), before + (28 * Lanes.Count), lane + (28 * Lanes.Count));
        }
    }

    /// <summary>Stores the quads of 32 rows: each of the first sixteen, then that of the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Unpack(byte* levels, nint group, Vector512<byte>* target)
    {
        for (int v = 0; v < LevelRows<T>.LowerBits; v++, levels += VectorBytes / 2, target += 2)
        {
            Vector512<byte> a = LevelVectors<T>.Both(levels, levels + group), b = LevelVectors<T>.Both(levels + (2 * group), levels + (3 * group));
            (target[0], target[1]) = (LevelVectors<T>.Level(a, default, 0), LevelVectors<T>.Level(b, default, 0));
            (target[PartQuads], target[PartQuads + 1]) = (LevelVectors<T>.Level(a, default, 1), LevelVectors<T>.Level(b, default, 1));
        }
    }

    /// <summary>What the sums of a block begin with: what the bias adds to them, with the sign that takes it away. So they never pass 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Bias(int* halfSums) =>
        T.Bias == 0 ? default : Vector512.Create(*halfSums).AsInt16() * Vector512.Create((short)-T.Bias);

    /// <summary>The scales of the blocks of 32 rows, and those of their offsets.</summary>
    private readonly struct BlockScales(Vector512<float> a, Vector512<float> b, Vector512<float> offsetA, Vector512<float> offsetB)
    {
        /// <summary>Adds the blocks, scaled, to the lane of a token.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(Vector512<short> sumsA, Vector512<short> sumsB, int* halfSums, float* inputScale, float* before, float* lane)
        {
            Vector512<int> offset = T.HasOffsets ? Avx512BW.MultiplyAddAdjacent(Vector512<short>.One, Vector512.Create(*halfSums).AsInt16()) : default;
            WideLevels<T>.AddBlock(Avx512BW.MultiplyAddAdjacent(sumsA, Vector512<short>.One), a, offset, offsetA, inputScale, before, lane);
            WideLevels<T>.AddBlock(
                Avx512BW.MultiplyAddAdjacent(sumsB, Vector512<short>.One), b, offset, offsetB, inputScale,
                before + (2 * Lanes.Count), lane + (2 * Lanes.Count));
        }
    }
}
