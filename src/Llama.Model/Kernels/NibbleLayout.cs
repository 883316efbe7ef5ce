using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Levels of four bits in a byte each: a vector holds four columns of eight rows, and meets four inputs of a token; sixteen bits hold the
/// sum of a part. Behind each part are its factors, a pair for each row; without them a block is a single part.
/// </summary>
internal readonly unsafe struct NibbleLayout<T> : IPanelLayout<T>
    where T : struct, ILevelFormat
{
    private const int PartElements = BlockRows.PartElements;
    private const int PartQuads = PartElements / 4;

    /// <inheritdoc/>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LayOut(byte** rows, int firstBlock, int blocks, nint next, Panel panel)
    {
        int parts = T.Type.BlockElements() / PartElements;
        Vector256<int>* levels = stackalloc Vector256<int>[Panel.GroupRows];
        for (int block = 0; block < blocks; block++)
        {
            nint offset = (nint)(firstBlock + block) * T.Type.BlockBytes();
            for (int part = 0; part < parts; part++)
            {
                for (int r = 0; r < Panel.GroupRows; r++)
                {
                    byte* source = rows[r] + offset;
                    if (part == 0) Prefetch.Near(source + next, T.Type.BlockBytes());
                    levels[r] = T.Levels(source, part).AsInt32();
                    if (T.HasFactors) ((int*)panel.Integers)[(PartQuads * BlockPanel.Rows) + r] = T.Factor(source, part) * 0x10001;
                }

                Lanes.Transpose(levels, (int*)panel.Integers, BlockPanel.Rows);
                panel.Integers += (PartQuads + (T.HasFactors ? 1 : 0)) * BlockPanel.Rows * sizeof(int);
            }

            panel.SetFactors<T>(rows, offset);
            panel = panel.NextFactors<T>();
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyFour(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
    {
        nint stride = inputs.Blocks, parts = T.Type.BlockElements() / PartElements;
        float* scales = inputs.Scales(token) + firstBlock;
        short* partSums = inputs.Sums(token) + (firstBlock * parts);
        int* x = inputs.Quads(token) + (firstBlock * parts * PartQuads * BlockPanel.Tokens);
        byte* levels = panel.Integers;
        Vector256<int>* dots = stackalloc Vector256<int>[2 * BlockPanel.Tokens];
        for (int block = firstBlock; block < firstBlock + blocks; block++)
        {
            float* lane = sums + (block % Lanes.Count * BlockPanel.Rows);
            for (int i = 0; T.HasFactors && i < 2 * BlockPanel.Tokens; i++) dots[i] = Vector256<int>.Zero;
            for (int part = 0; part < parts; part++)
            {
                Vector256<short> a0 = default, a1 = default, a2 = default, a3 = default;
                Vector256<short> b0 = default, b1 = default, b2 = default, b3 = default;
                for (int* end = x + (PartQuads * BlockPanel.Tokens); x < end; x += BlockPanel.Tokens, levels += BlockPanel.Rows * sizeof(int))
                {
                    Vector256<byte> a = Vector256.Load(levels);
                    Vector256<byte> b = Vector256.Load(levels + Vector256<byte>.Count);
                    Vector256<sbyte> quad = Vector256.Create(x[0]).AsSByte();
                    a0 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b0 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[1]).AsSByte();
                    a1 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b1 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[2]).AsSByte();
                    a2 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b2 += SmallIntegers.MultiplyAddPairs(b, quad);
                    quad = Vector256.Create(x[3]).AsSByte();
                    a3 += SmallIntegers.MultiplyAddPairs(a, quad);
                    b3 += SmallIntegers.MultiplyAddPairs(b, quad);
                }

                if (!T.HasFactors)
                {
                    Add(scales, partSums, a0, b0, panel, lane);
                    Add(scales + stride, partSums + stride, a1, b1, panel, lane + BlockPanel.TokenSums);
                    Add(scales + (2 * stride), partSums + (2 * stride), a2, b2, panel, lane + (2 * BlockPanel.TokenSums));
                    Add(scales + (3 * stride), partSums + (3 * stride), a3, b3, panel, lane + (3 * BlockPanel.TokenSums));
                    continue;
                }

                Vector256<short> factorsA = Vector256.Load((short*)levels);
                Vector256<short> factorsB = Vector256.Load((short*)levels + (2 * Panel.GroupRows));
                levels += BlockPanel.Rows * sizeof(int);
                dots[0] += SmallIntegers.MultiplyAddPairs(a0, factorsA);
                dots[1] += SmallIntegers.MultiplyAddPairs(b0, factorsB);
                dots[2] += SmallIntegers.MultiplyAddPairs(a1, factorsA);
                dots[3] += SmallIntegers.MultiplyAddPairs(b1, factorsB);
                dots[4] += SmallIntegers.MultiplyAddPairs(a2, factorsA);
                dots[5] += SmallIntegers.MultiplyAddPairs(b2, factorsB);
                dots[6] += SmallIntegers.MultiplyAddPairs(a3, factorsA);
                dots[7] += SmallIntegers.MultiplyAddPairs(b3, factorsB);
            }

            for (int i = 0; T.HasFactors && i < BlockPanel.Tokens; i++, lane += BlockPanel.TokenSums)
                BlockPanel.AddBlock<T>(scales + (i * stride), partSums + (i * stride * parts), dots[2 * i], dots[(2 * i) + 1], panel, lane);
            scales++;
            partSums += parts;
            panel = panel.NextFactors<T>();
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyOne(RoundedInputs inputs, int token, int firstBlock, int blocks, Panel panel, float* sums)
    {
        int parts = T.Type.BlockElements() / PartElements;
        float* scales = inputs.Scales(token) + firstBlock;
        short* partSums = inputs.Sums(token) + (firstBlock * parts);
        int* x = inputs.Quads(token) + (firstBlock * parts * PartQuads * BlockPanel.Tokens);
        byte* levels = panel.Integers;
        for (int block = firstBlock; block < firstBlock + blocks; block++)
        {
            Vector256<int> dotsA = Vector256.Create(-T.Bias * *partSums), dotsB = dotsA;
            for (int part = 0; part < parts; part++)
            {
                Vector256<short> a = default, b = default;
                for (int* end = x + (PartQuads * BlockPanel.Tokens); x < end; x += BlockPanel.Tokens, levels += BlockPanel.Rows * sizeof(int))
                {
                    Vector256<sbyte> quad = Vector256.Create(*x).AsSByte();
                    a += SmallIntegers.MultiplyAddPairs(Vector256.Load(levels), quad);
                    b += SmallIntegers.MultiplyAddPairs(Vector256.Load(levels + Vector256<byte>.Count), quad);
                }

                Vector256<short> factorsA = Vector256<short>.One, factorsB = Vector256<short>.One;
                if (T.HasFactors)
                {
                    factorsA = Vector256.Load((short*)levels);
                    factorsB = Vector256.Load((short*)levels + (2 * Panel.GroupRows));
                    levels += BlockPanel.Rows * sizeof(int);
                }

                dotsA += SmallIntegers.MultiplyAddPairs(a, factorsA);
                dotsB += SmallIntegers.MultiplyAddPairs(b, factorsB);
            }

            BlockPanel.AddBlock<T>(scales, partSums, dotsA, dotsB, panel, sums + (block % Lanes.Count * BlockPanel.Rows));
            scales++;
            partSums += parts;
            panel = panel.NextFactors<T>();
        }
    }

    /// <summary>Adds a block of one part, without factors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* scale, short* partSum, Vector256<short> a, Vector256<short> b, in Panel panel, float* sums)
    {
        Vector256<int> bias = Vector256.Create(T.Bias * *partSum);
        BlockPanel.AddBlock<T>(
            scale, partSum, SmallIntegers.MultiplyAddPairs(a, Vector256<short>.One) - bias,
            SmallIntegers.MultiplyAddPairs(b, Vector256<short>.One) - bias, panel, sums);
    }
}
