using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Rows of blocks with few tokens, row after row: one stream of addresses, which the processor's own prefetching follows. Eight blocks
/// of a row fill a vector, one lane each.
/// </summary>
internal static unsafe class BlockRow
{
    private const int PartElements = BlockRows.PartElements;

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector; see <see cref="BlockProduct"/>.</summary>
    public static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y)
        where T : struct, IRowFormat
    {
        byte** rows = stackalloc byte*[Lanes.Count];
        Vector256<float>* lanes = stackalloc Vector256<float>[Lanes.Count];
        int groups = T.Type.BlockElements() == PartElements ? x.Blocks / Lanes.Count : 0;
        for (int row = firstRow; row < endRow; row += Lanes.Count)
        {
            int count = Math.Min(Lanes.Count, endRow - row);
            weights.ListRows(row, count, rows, count);
            for (int token = 0; token < tokens; token++)
            {
                MultiplyGroups<T>(rows, count, groups, x, token, lanes);
                if (groups * Lanes.Count < x.Blocks) AddBlocks<T>(rows, count, groups * Lanes.Count, x, token, lanes);
                Vector256<float> outputs = Lanes.SumEach(
                    lanes[0], lanes[1], lanes[2], lanes[3], lanes[4], lanes[5], lanes[6], lanes[7]);
                float* target = y + ((long)token * weights.Rows) + row;
                if (count == Lanes.Count) outputs.Store(target);
                else Lanes.StorePartial(outputs, target, count);
            }
        }
    }

    /// <summary>
    /// The lanes of some rows, as far as there are groups of eight blocks of 32. Optimised at once, as the other one, for the first token of
    /// a process must not wait for the compiler's tiers.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyGroups<T>(byte** rows, int count, int groups, RoundedInputs inputs, int token, Vector256<float>* results)
        where T : struct, IRowFormat
    {
        for (int i = 0; i < count; i++)
        {
            byte* row = rows[i];
            sbyte* x = inputs.Bytes(token);
            float* inputScales = inputs.Scales(token);
            Vector256<float> lanes = Vector256<float>.Zero;
            for (int group = 0; group < groups; group++)
            {
                lanes = Vector256.FusedMultiplyAdd(
                    Vector256.ConvertToSingle(DotEight<T>(row, x)), Vector256.Load(inputScales) * Scales<T>(row), lanes);
                row += Lanes.Count * T.Type.BlockBytes();
                x += Lanes.Count * PartElements;
                inputScales += Lanes.Count;
            }

            results[i] = lanes;
        }
    }

    /// <summary>The sums of eight blocks of 32, one in each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> DotEight<T>(byte* blocks, sbyte* x)
        where T : struct, IRowFormat
    {
        nint bytes = T.Type.BlockBytes();
        return Lanes.SumEach(
            T.Dot(blocks, x), T.Dot(blocks + bytes, x + 32), T.Dot(blocks + (2 * bytes), x + 64), T.Dot(blocks + (3 * bytes), x + 96),
            T.Dot(blocks + (4 * bytes), x + 128), T.Dot(blocks + (5 * bytes), x + 160), T.Dot(blocks + (6 * bytes), x + 192),
            T.Dot(blocks + (7 * bytes), x + 224));
    }

    /// <summary>Adds the blocks from a multiple of eight on: those too large to be written out eight times, and what is left of rows.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void AddBlocks<T>(byte** rows, int count, int firstBlock, RoundedInputs inputs, int token, Vector256<float>* results)
        where T : struct, IRowFormat
    {
        Vector256<int>* dots = stackalloc Vector256<int>[Lanes.Count];
        ushort* scales = stackalloc ushort[Lanes.Count];
        float* ownScales = stackalloc float[T.ScaleAt < 0 ? Lanes.Count : 0];
        for (int i = 0; i < count; i++)
        {
            byte* block = rows[i] + (firstBlock * T.Type.BlockBytes());
            sbyte* x = inputs.Bytes(token) + (firstBlock * T.Type.BlockElements());
            float* inputScales = inputs.Scales(token) + firstBlock;
            for (int rest = inputs.Blocks - firstBlock; rest > 0; rest -= Lanes.Count, inputScales += Lanes.Count)
            {
                for (int j = 0; j < Math.Min(Lanes.Count, rest); j++)
                {
                    dots[j] = T.Dot(block, x);
                    if (T.ScaleAt < 0) ownScales[j] = T.Scale(block);
                    else scales[j] = Unsafe.ReadUnaligned<ushort>(block + T.ScaleAt);
                    block += T.Type.BlockBytes();
                    x += T.Type.BlockElements();
                }

                Vector256<int> sum = Lanes.SumEach(dots[0], dots[1], dots[2], dots[3], dots[4], dots[5], dots[6], dots[7]);
                Vector256<float> blockScale = T.ScaleAt < 0 ? Vector256.Load(ownScales) : HalfBits.ToSingle(Vector128.Load(scales));
                Vector256<float> scale = Vector256.Load(inputScales) * blockScale;
                Vector256<float> lanes = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sum), scale, results[i]);

                // In lanes beyond the last block there are zeros, or another group's numbers.
                Vector256<int> there = Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(rest));
                results[i] = Vector256.ConditionalSelect(there.AsSingle(), lanes, results[i]);
            }
        }
    }

    /// <summary>The scales of eight blocks of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scales<T>(byte* first)
        where T : struct, IRowFormat
    {
        if (T.ScaleAt >= 0) return Halves<T>(first + T.ScaleAt);
        nint bytes = T.Type.BlockBytes();
        return Vector256.Create(
            T.Scale(first), T.Scale(first + bytes), T.Scale(first + (2 * bytes)), T.Scale(first + (3 * bytes)),
            T.Scale(first + (4 * bytes)), T.Scale(first + (5 * bytes)), T.Scale(first + (6 * bytes)), T.Scale(first + (7 * bytes)));
    }

    /// <summary>The half-precision numbers at the same place of eight blocks of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves<T>(byte* first)
        where T : struct, IRowFormat
    {
        nint bytes = T.Type.BlockBytes();
        return HalfBits.ToSingle(Vector128.Create(
            FourHalves(first, bytes), FourHalves(first + (4 * bytes), bytes)).AsUInt16());
    }

    /// <summary>Four of them in one integer: by shifts, which vectors' units have no part in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong FourHalves(byte* first, nint bytes) =>
        Unsafe.ReadUnaligned<ushort>(first) | ((ulong)Unsafe.ReadUnaligned<ushort>(first + bytes) << 16)
        | ((ulong)Unsafe.ReadUnaligned<ushort>(first + (2 * bytes)) << 32) | ((ulong)Unsafe.ReadUnaligned<ushort>(first + (3 * bytes)) << 48);
}
