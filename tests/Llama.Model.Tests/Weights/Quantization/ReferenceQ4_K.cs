using System.Runtime.CompilerServices;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Tests.Weights.Quantization;

/// <summary>
/// The search of ggml's reference, one element after the other (ggml-quants.c: <c>quantize_row_q4_K_ref</c>, <c>make_qkx2_quants</c>).
/// </summary>
internal static unsafe class ReferenceQ4_K
{
    private const int Part = 32;
    private const int Parts = PackedScales.Count;
    private const int Most = 15;
    private const int Steps = 20;

    /// <summary>Writes one block.</summary>
    /// <param name="source">256 elements.</param>
    /// <param name="block">Receives 144 bytes.</param>
    public static void Quantize(float* source, byte* block)
    {
        byte* levels = stackalloc byte[Parts * Part];
        float* scales = stackalloc float[Parts];
        float* minima = stackalloc float[Parts];
        float greatestScale = 0, greatestMinimum = 0;
        for (int part = 0; part < Parts; part++)
        {
            (scales[part], minima[part]) = Fit(source + (part * Part), levels + (part * Part));
            greatestScale = MathF.Max(greatestScale, scales[part]);
            greatestMinimum = MathF.Max(greatestMinimum, minima[part]);
        }

        Span<byte> packedScales = stackalloc byte[Parts];
        Span<byte> packedMinima = stackalloc byte[Parts];
        float inverseScale = greatestScale > 0 ? 63 / greatestScale : 0;
        float inverseMinimum = greatestMinimum > 0 ? 63 / greatestMinimum : 0;
        for (int part = 0; part < Parts; part++)
        {
            packedScales[part] = (byte)Math.Clamp(Nearest(inverseScale * scales[part]), 0, 63);
            packedMinima[part] = (byte)Math.Clamp(Nearest(inverseMinimum * minima[part]), 0, 63);
        }

        PackedScales.Set(packedScales, packedMinima, block + 4);
        ushort scale = HalfBits.FromSingle(greatestScale / 63), minimum = HalfBits.FromSingle(greatestMinimum / 63);
        Unsafe.WriteUnaligned(block, scale);
        Unsafe.WriteUnaligned(block + 2, minimum);
        for (int part = 0; part < Parts; part++)
        {
            float partScale = HalfBits.ToSingle(scale) * packedScales[part];
            float partMinimum = HalfBits.ToSingle(minimum) * packedMinima[part];

            // A scale that rounded to nothing leaves the levels that were fitted.
            if (partScale == 0) continue;
            for (int i = part * Part; i < (part + 1) * Part; i++)
                levels[i] = Level((source[i] + partMinimum) / partScale);
        }

        byte* bytes = block + 4 + PackedScales.Bytes;
        for (int first = 0; first < Parts * Part; first += 2 * Part, bytes += Part)
        {
            for (int i = 0; i < Part; i++) bytes[i] = (byte)(levels[first + i] | (levels[first + i + Part] << 4));
        }
    }

    /// <summary>Scale and minimum (as a positive number to be subtracted) of 32 elements, and their levels.</summary>
    private static (float Scale, float Minimum) Fit(float* x, byte* levels)
    {
        float sumSquares = 0;
        for (int i = 0; i < Part; i++) sumSquares += x[i] * x[i];
        float average = MathF.Sqrt(sumSquares / Part);

        float* weights = stackalloc float[Part];
        float min = x[0], max = x[0], sumWeights = 0, sumX = 0;
        for (int i = 0; i < Part; i++)
        {
            weights[i] = average + MathF.Abs(x[i]);
            min = MathF.Min(min, x[i]);
            max = MathF.Max(max, x[i]);
            sumWeights += weights[i];
            sumX += weights[i] * x[i];
        }

        min = MathF.Min(min, 0);
        if (max == min)
        {
            Unsafe.InitBlockUnaligned(levels, 0, Part);
            return (0, -min);
        }

        float inverse = Most / (max - min);
        float scale = 1 / inverse, offset = min;
        for (int i = 0; i < Part; i++) levels[i] = Level(inverse * (x[i] - min));
        float best = Error(x, weights, levels, scale, min);
        byte* tried = stackalloc byte[Part];
        for (int step = 0; step <= Steps; step++)
        {
            inverse = (-1 + (0.1f * step) + Most) / (max - min);
            float sumL = 0, sumL2 = 0, sumXL = 0;
            for (int i = 0; i < Part; i++)
            {
                int level = tried[i] = Level(inverse * (x[i] - min));
                sumL += weights[i] * level;
                sumL2 += weights[i] * level * level;
                sumXL += weights[i] * level * x[i];
            }

            float determinant = (sumWeights * sumL2) - (sumL * sumL);
            if (!(determinant > 0)) continue;
            float fittedScale = ((sumWeights * sumXL) - (sumX * sumL)) / determinant;
            float fittedOffset = ((sumL2 * sumX) - (sumL * sumXL)) / determinant;
            if (fittedOffset > 0)
            {
                fittedOffset = 0;
                fittedScale = sumXL / sumL2;
            }

            float error = Error(x, weights, tried, fittedScale, fittedOffset);
            if (!(error < best)) continue;
            (best, scale, offset, min) = (error, fittedScale, fittedOffset, fittedOffset);
            Unsafe.CopyBlockUnaligned(levels, tried, Part);
        }

        return (scale, -offset);
    }

    private static float Error(float* x, float* weights, byte* levels, float scale, float offset)
    {
        float error = 0;
        for (int i = 0; i < Part; i++)
        {
            float difference = (scale * levels[i]) + offset - x[i];
            error += weights[i] * (difference * difference);
        }

        return error;
    }

    private static byte Level(float value) => (byte)Math.Clamp(Nearest(value), 0, Most);

    // Ties to even.
    private static int Nearest(float value) => (int)MathF.Round(value);
}
