using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>
/// Finds scales for Q6_K as ggml's reference does (ggml-quants.c: <c>quantize_row_q6_K_ref</c>, <c>make_qx_quants</c>): for each 16 elements it
/// tries 19 scales around the one that takes the greatest magnitude to -32, fits each by least squares weighted with the elements' squares,
/// and keeps the best; the sixteen results are then rounded to eight bits. Sums take the elements in their order; what stands side by side in
/// a vector are the scales that are tried, so the bytes are the reference's.
/// </summary>
internal static unsafe class Q6_KSearch
{
    private const int Part = 16;
    private const int Parts = 16;
    private const int Most = 32;
    private const float Nothing = 1e-15f;

    /// <summary>Tries; the first is the plain one, which the others have to beat.</summary>
    private const int Tries = 19;

    /// <summary>Places of tries, in whole vectors.</summary>
    private const int Places = 24;

    private static readonly float[] Ranges = MakeRanges();

    /// <summary>Writes one block.</summary>
    /// <param name="source">256 elements.</param>
    /// <param name="block">Receives 210 bytes.</param>
    public static void Quantize(float* source, byte* block)
    {
        Unsafe.InitBlockUnaligned(block, 0, (uint)ElementType.Q6_K.BlockBytes());
        float* scales = stackalloc float[Parts];
        float* inverses = stackalloc float[Parts];
        float greatest = 0, signed = 0;
        for (int part = 0; part < Parts; part++)
        {
            (scales[part], inverses[part]) = Fit(source + (part * Part));
            if (MathF.Abs(scales[part]) <= greatest) continue;
            greatest = MathF.Abs(scales[part]);
            signed = scales[part];
        }

        if (greatest < Nothing) return;
        float inverse = -128f / signed;
        ushort half = HalfBits.FromSingle(1 / inverse);
        Unsafe.WriteUnaligned(block + Q6_KBlock.ScaleAt, half);
        sbyte* packed = (sbyte*)block + 192;
        byte* levels = stackalloc byte[Part * Parts];
        for (int part = 0; part < Parts; part++)
        {
            packed[part] = (sbyte)Math.Min(127, (int)MathF.Round(inverse * scales[part]));
            float scale = HalfBits.ToSingle(half) * packed[part];
            for (int i = part * Part; i < (part + 1) * Part; i++)
            {
                // A scale that rounded to nothing leaves the levels that were fitted, and those of nothing.
                float element = source[i];
                levels[i] = (byte)(scale == 0 && inverses[part] == 0 ? 0 : Most + Level(scale == 0 ? element * inverses[part] : element / scale));
            }
        }

        for (int i = 0; i < 64; i++)
        {
            // Both halves of the block, each with four quarters of 32 elements.
            int place = (i / 32 * 128) + (i % 32), nibbles = (i / 32 * 64) + (i % 32);
            byte q0 = levels[place], q1 = levels[place + 32], q2 = levels[place + 64], q3 = levels[place + 96];
            block[nibbles] = (byte)((q0 & 15) | (q2 << 4));
            block[nibbles + 32] = (byte)((q1 & 15) | (q3 << 4));
            block[128 + i] = (byte)((q0 >> 4) | (q1 >> 4 << 2) | (q2 >> 4 << 4) | (q3 >> 4 << 6));
        }
    }

    private static float[] MakeRanges()
    {
        var steps = new List<int> { 0 };
        for (int step = -9; step <= 9; step++)
        {
            if (step != 0) steps.Add(step);
        }

        return [.. Enumerable.Range(0, Places).Select(i => -(Most + (0.1f * (i < Tries ? steps[i] : 0))))];
    }

    /// <summary>The scale of 16 elements, and the inverse that their levels were found with; zeros for elements that are next to nothing.</summary>
    private static (float Scale, float Inverse) Fit(float* x)
    {
        float greatest = 0, signed = 0;
        for (int i = 0; i < Part; i++)
        {
            if (MathF.Abs(x[i]) <= greatest) continue;
            greatest = MathF.Abs(x[i]);
            signed = x[i];
        }

        if (!(greatest >= Nothing)) return (0, 0);
        float* products = stackalloc float[Places];
        float* squares = stackalloc float[Places];
        fixed (float* ranges = Ranges)
        {
            for (int first = 0; first < Places; first += Vector256<float>.Count)
                Try(x, Vector256.Load(ranges + first) / Vector256.Create(signed), products + first, squares + first);
        }

        float scale = squares[0] != 0 ? products[0] / squares[0] : 0, best = scale * products[0];
        int chosen = 0;
        for (int i = 1; i < Tries; i++)
        {
            if (!(squares[i] > 0) || !(products[i] * products[i] > best * squares[i])) continue;
            scale = products[i] / squares[i];
            best = scale * products[i];
            chosen = i;
        }

        return (scale, Ranges[chosen] / signed);
    }

    /// <summary>The weighted products of elements and levels, and the weighted squares of levels, for eight scales.</summary>
    private static void Try(float* x, Vector256<float> inverse, float* products, float* squares)
    {
        Vector256<float> sumXL = default, sumL2 = default;
        for (int i = 0; i < Part; i++)
        {
            Vector256<float> level = Vector256.Round(inverse * Vector256.Create(x[i]));
            level = Vector256.Max(Vector256.Create(-(float)Most), Vector256.Min(Vector256.Create((float)(Most - 1)), level));
            Vector256<float> weight = Vector256.Create(x[i] * x[i]);
            sumXL += weight * Vector256.Create(x[i]) * level;
            sumL2 += weight * level * level;
        }

        sumXL.Store(products);
        sumL2.Store(squares);
    }

    private static int Level(float value) => float.IsNaN(value) ? 0 : (int)Math.Clamp(MathF.Round(value), -Most, Most - 1);
}
