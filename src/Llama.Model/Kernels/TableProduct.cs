using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products with interleaved rows of numbers from a table (<see cref="LevelRows{T}"/>) where the processor adds the products of four bytes to a sum of
/// 32 bits (AVX-VNNI): with the bias added the numbers are unsigned bytes, and need one plane. What the bias adds is taken away beforehand.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal static unsafe class TableProduct<T>
    where T : struct, ILevelFormat
{
    private const int GroupTokens = RoundedInputs.GroupTokens;
    private const int PartQuads = LevelVectors<T>.PartQuads;

    /// <summary>Whether the format has a table and the processor the instruction.</summary>
    public static bool Serves
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.HasTable && AvxVnni.IsSupported;
    }

    /// <summary>Two times eight rows with four tokens; see <see cref="IInterleavedProduct.MultiplyFour"/>.</summary>
    /// <param name="blockA">The first block of eight rows.</param>
    /// <param name="blockB">That of the eight rows after them.</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="token">The first of them, a multiple of four.</param>
    /// <param name="next">How many bytes behind each block the memory is asked for; 0 to ask for nothing.</param>
    /// <param name="lanes">Receives the sums, <c>[lane, token, row]</c>.</param>
    /// <param name="laneSums">Floats from a lane to the next.</param>
    /// <param name="tokenSums">Floats from a token to the next.</param>
    /// <param name="zeros">What is in a lane before its first block, <c>[token, row]</c>.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyFour(
        byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, int laneSums, int tokenSums, float* zeros)
    {
        int* x = inputs.Quads(token);
        float* scales = inputs.Scales(token);
        short* sums = inputs.Sums(token);
        nint stride = inputs.Blocks, sumsStride = stride * LevelRows<T>.Parts;
        Vector256<byte> table = Table;
        for (int i = 0; i < inputs.Blocks; i++)
        {
            if (next != 0)
            {
                Prefetch.Near(blockA + next, LevelRows<T>.BlockBytes);
                Prefetch.Near(blockB + next, LevelRows<T>.BlockBytes);
            }

            byte* levelsA = blockA + LevelRows<T>.LevelsAt, levelsB = blockB + LevelRows<T>.LevelsAt;
            Vector256<int> d0 = default, d1 = default, d2 = default, d3 = default, d4 = default, d5 = default, d6 = default, d7 = default;
            for (int part = 0; part < LevelRows<T>.Parts; part++)
            {
                Vector256<int> a0 = Bias(sums[0]), a1 = Bias(sums[sumsStride]), a2 = Bias(sums[2 * sumsStride]), a3 = Bias(sums[3 * sumsStride]);
                Vector256<int> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
                for (byte* end = levelsA + LevelRows<T>.PartBytes; levelsA < end; levelsA += 32, levelsB += 32, x += GroupTokens)
                {
                    Vector256<byte> vectorA = Vector256.Load(levelsA), vectorB = Vector256.Load(levelsB);
                    AddQuad(x, Look(table, vectorA, 0), Look(table, vectorB, 0), ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
                    AddQuad(
                        x + (PartQuads / 2 * GroupTokens), Look(table, vectorA, 1), Look(table, vectorB, 1),
                        ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
                }

                Vector256<int> factorsA = Factors(blockA, part), factorsB = Factors(blockB, part);
                AddPart(a0, b0, factorsA, factorsB, ref d0, ref d4);
                AddPart(a1, b1, factorsA, factorsB, ref d1, ref d5);
                AddPart(a2, b2, factorsA, factorsB, ref d2, ref d6);
                AddPart(a3, b3, factorsA, factorsB, ref d3, ref d7);
                x += PartQuads / 2 * GroupTokens;
                sums++;
            }

            float* lane = lanes + (i % Lanes.Count * laneSums);
            float* before = i < Lanes.Count ? zeros : lane;
            Vector256<float> scaleA = LevelVectors<T>.Scales(blockA), scaleB = LevelVectors<T>.Scales(blockB);
            AddBlock(d0, d4, scaleA, scaleB, scales + i, before, lane);
            AddBlock(d1, d5, scaleA, scaleB, scales + i + stride, before + tokenSums, lane + tokenSums);
            AddBlock(d2, d6, scaleA, scaleB, scales + i + (2 * stride), before + (2 * tokenSums), lane + (2 * tokenSums));
            AddBlock(d3, d7, scaleA, scaleB, scales + i + (3 * stride), before + (3 * tokenSums), lane + (3 * tokenSums));
            blockA = levelsA;
            blockB = levelsB;
        }
    }

    /// <summary>The numbers of the table with the bias added.</summary>
    private static Vector256<byte> Table
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            Vector128<byte> table = T.Table.AsByte() + Vector128.Create((byte)T.Bias);
            return Vector256.Create(table, table);
        }
    }

    /// <summary>What the lower nibbles of a stored vector stand for, or the upper ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Look(Vector256<byte> table, Vector256<byte> stored, int place) =>
        Avx2.Shuffle(table, LevelVectors<T>.Level(stored, default, place));

    /// <summary>What the bias adds to a part's products, with the sign that takes it away.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Bias(short sum) => Vector256.Create(-T.Bias * sum);

    /// <summary>The factors of a part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Factors(byte* block, int part) => LevelVectors<T>.Factors(block, part).AsInt32() >> 16;

    /// <summary>Adds the products of a quad of sixteen rows with the bytes of four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuad(
        int* x, Vector256<byte> a, Vector256<byte> b, ref Vector256<int> a0, ref Vector256<int> a1, ref Vector256<int> a2, ref Vector256<int> a3,
        ref Vector256<int> b0, ref Vector256<int> b1, ref Vector256<int> b2, ref Vector256<int> b3)
    {
        Vector256<sbyte> bytes = Vector256.Create(x[0]).AsSByte();
        a0 = AvxVnni.MultiplyWideningAndAdd(a0, a, bytes);
        b0 = AvxVnni.MultiplyWideningAndAdd(b0, b, bytes);
        bytes = Vector256.Create(x[1]).AsSByte();
        a1 = AvxVnni.MultiplyWideningAndAdd(a1, a, bytes);
        b1 = AvxVnni.MultiplyWideningAndAdd(b1, b, bytes);
        bytes = Vector256.Create(x[2]).AsSByte();
        a2 = AvxVnni.MultiplyWideningAndAdd(a2, a, bytes);
        b2 = AvxVnni.MultiplyWideningAndAdd(b2, b, bytes);
        bytes = Vector256.Create(x[3]).AsSByte();
        a3 = AvxVnni.MultiplyWideningAndAdd(a3, a, bytes);
        b3 = AvxVnni.MultiplyWideningAndAdd(b3, b, bytes);
    }

    /// <summary>Adds the sums of a part of sixteen rows, times factors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPart(
        Vector256<int> a, Vector256<int> b, Vector256<int> factorsA, Vector256<int> factorsB, ref Vector256<int> dotA, ref Vector256<int> dotB)
    {
        (dotA, dotB) = T.HasFactors ? (dotA + (a * factorsA), dotB + (b * factorsB)) : (a, b);
    }

    /// <summary>Adds a block's sums, scaled, to their lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBlock(
        Vector256<int> a, Vector256<int> b, Vector256<float> scaleA, Vector256<float> scaleB, float* inputScale, float* before, float* lane)
    {
        Vector256<float> scale = Vector256.Create(*inputScale);
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(a), scale * scaleA, Vector256.Load(before)).Store(lane);
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(b), scale * scaleB, Vector256.Load(before + Lanes.Count)).Store(lane + Lanes.Count);
    }
}
