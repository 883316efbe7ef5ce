using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// How the integers of a panel lie, and how they are multiplied: 16 bits each, factors multiplied into them; a vector holds two columns
/// of eight rows, and meets a pair of a token's inputs.
/// </summary>
/// <typeparam name="T">The rows' format.</typeparam>
internal static unsafe class WordLayout<T>
    where T : struct, IBlockFormat
{
    private const int PartElements = BlockRows.PartElements;
    private const int PartPairs = PartElements / 2;

    /// <summary>Lays eight rows out; the memory is asked for what lies <paramref name="next"/> bytes further on.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LayOut(byte** rows, int firstBlock, int blocks, nint next, Panel panel)
    {
        int parts = T.Type.BlockElements() / PartElements;
        Vector256<int>* firsts = stackalloc Vector256<int>[Panel.GroupRows];
        Vector256<int>* seconds = stackalloc Vector256<int>[Panel.GroupRows];
        for (int block = 0; block < blocks; block++)
        {
            nint offset = (nint)(firstBlock + block) * T.Type.BlockBytes();
            for (int part = 0; part < parts; part++)
            {
                for (int r = 0; r < Panel.GroupRows; r++)
                {
                    byte* source = rows[r] + offset;
                    if (part == 0) Prefetch.Near(source + next, T.Type.BlockBytes());
                    T.Integers(source, part, out Vector256<short> first, out Vector256<short> second);
                    firsts[r] = first.AsInt32();
                    seconds[r] = second.AsInt32();
                }

                Lanes.Transpose(firsts, (int*)panel.Integers, BlockPanel.Rows);
                Lanes.Transpose(seconds, (int*)panel.Integers + (PartPairs / 2 * BlockPanel.Rows), BlockPanel.Rows);
                panel.Integers += PartPairs * BlockPanel.Rows * sizeof(int);
            }

            BlockPanel.Scales<T>(rows, offset).Store(panel.Scales);
            panel = panel.NextScales();
        }
    }

    /// <summary>Sixteen rows with four tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyFour(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
    {
        nint stride = inputs.Blocks, parts = T.Type.BlockElements() / PartElements;
        float* scales = inputs.Scales(token) + firstBlock;
        int* x = inputs.Pairs(token) + (firstBlock * parts * PartPairs * BlockPanel.Tokens);
        short* integers = (short*)panel.Integers;
        for (int block = firstBlock; block < firstBlock + blocks; block++)
        {
            Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
            Vector256<int> b0 = default, b1 = default, b2 = default, b3 = default;
            for (int* end = x + (parts * PartPairs * BlockPanel.Tokens); x < end; x += BlockPanel.Tokens, integers += 2 * BlockPanel.Rows)
            {
                Vector256<short> a = Vector256.Load(integers);
                Vector256<short> b = Vector256.Load(integers + BlockPanel.Rows);
                Vector256<short> pair = Vector256.Create(x[0]).AsInt16();
                a0 += SmallIntegers.MultiplyAddPairs(a, pair);
                b0 += SmallIntegers.MultiplyAddPairs(b, pair);
                pair = Vector256.Create(x[1]).AsInt16();
                a1 += SmallIntegers.MultiplyAddPairs(a, pair);
                b1 += SmallIntegers.MultiplyAddPairs(b, pair);
                pair = Vector256.Create(x[2]).AsInt16();
                a2 += SmallIntegers.MultiplyAddPairs(a, pair);
                b2 += SmallIntegers.MultiplyAddPairs(b, pair);
                pair = Vector256.Create(x[3]).AsInt16();
                a3 += SmallIntegers.MultiplyAddPairs(a, pair);
                b3 += SmallIntegers.MultiplyAddPairs(b, pair);
            }

            float* lane = sums + (block % Lanes.Count * BlockPanel.Rows);
            BlockPanel.AddBlock(scales, a0, b0, panel, lane);
            BlockPanel.AddBlock(scales + stride, a1, b1, panel, lane + BlockPanel.TokenSums);
            BlockPanel.AddBlock(scales + (2 * stride), a2, b2, panel, lane + (2 * BlockPanel.TokenSums));
            BlockPanel.AddBlock(scales + (3 * stride), a3, b3, panel, lane + (3 * BlockPanel.TokenSums));
            scales++;
            panel = panel.NextScales();
        }
    }

    /// <summary>Sixteen rows with one token.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOne(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
    {
        int parts = T.Type.BlockElements() / PartElements;
        float* scales = inputs.Scales(token) + firstBlock;
        int* x = inputs.Pairs(token) + (firstBlock * parts * PartPairs * BlockPanel.Tokens);
        short* integers = (short*)panel.Integers;
        for (int block = firstBlock; block < firstBlock + blocks; block++)
        {
            Vector256<int> a = default, b = default;
            for (int* end = x + (parts * PartPairs * BlockPanel.Tokens); x < end; x += BlockPanel.Tokens, integers += 2 * BlockPanel.Rows)
            {
                Vector256<short> pair = Vector256.Create(*x).AsInt16();
                a += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers), pair);
                b += SmallIntegers.MultiplyAddPairs(Vector256.Load(integers + BlockPanel.Rows), pair);
            }

            BlockPanel.AddBlock(scales, a, b, panel, sums + (block % Lanes.Count * BlockPanel.Rows));
            scales++;
            panel = panel.NextScales();
        }
    }
}
