using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>
/// Finds scales and minima for Q4_K and Q5_K as ggml's reference does (ggml-quants.c: <c>quantize_row_q4_K_ref</c>, <c>make_qkx2_quants</c>): for
/// each 32 elements it tries 21 or 16 scales, fits scale and minimum to each by least squares, and keeps the best; the eight results are then
/// rounded to six bits. The bytes are the reference's: every sum takes the elements in their order, and what stands side by side in a
/// vector are the scales that are tried; those behind a better one are tried again, from its minimum on.
/// </summary>
[SkipLocalsInit]
internal sealed unsafe class LevelSearch
{
    private const int Part = 32;
    private const int Parts = PackedScales.Count;

    /// <summary>Scales that are tried at once.</summary>
    private const int Width = 8;

    /// <summary>Levels that the range of the elements is divided into, for each try.</summary>
    private readonly float[] ranges;

    /// <summary>The greatest level.</summary>
    private readonly float most;

    /// <summary>How many scales are tried, beside the one that keeps the extremes where they are, which the others have to beat.</summary>
    private readonly int steps;

    private LevelSearch(int most, float first, int steps)
    {
        (this.most, this.steps) = (most, steps);
        ranges = [.. Enumerable.Range(0, steps + Width).Select(step => first + (0.1f * step) + most)];
    }

    /// <summary>Levels of four bits.</summary>
    public static LevelSearch OfQ4_K { get; } = new(15, -1, 21);

    /// <summary>Levels of five bits.</summary>
    public static LevelSearch OfQ5_K { get; } = new(31, -0.5f, 16);

    /// <summary>Writes one block.</summary>
    /// <param name="source">256 elements.</param>
    /// <param name="block">Receives 144 bytes, or 176 with fifth bits.</param>
    public void Quantize(float* source, byte* block)
    {
        Fitted* fitted = stackalloc Fitted[Parts];
        float greatestScale = 0, greatestMinimum = 0;
        for (int part = 0; part < Parts; part++)
        {
            fitted[part] = Fit(source + (part * Part));
            greatestScale = MathF.Max(greatestScale, fitted[part].Scale);
            greatestMinimum = MathF.Max(greatestMinimum, fitted[part].Minimum);
        }

        Span<byte> packedScales = stackalloc byte[Parts];
        Span<byte> packedMinima = stackalloc byte[Parts];
        float inverseScale = greatestScale > 0 ? 63 / greatestScale : 0;
        float inverseMinimum = greatestMinimum > 0 ? 63 / greatestMinimum : 0;
        for (int part = 0; part < Parts; part++)
        {
            packedScales[part] = (byte)Math.Clamp(Nearest(inverseScale * fitted[part].Scale), 0, 63);
            packedMinima[part] = (byte)Math.Clamp(Nearest(inverseMinimum * fitted[part].Minimum), 0, 63);
        }

        PackedScales.Set(packedScales, packedMinima, block + 4);
        ushort scale = HalfBits.FromSingle(greatestScale / 63), minimum = HalfBits.FromSingle(greatestMinimum / 63);
        Unsafe.WriteUnaligned(block, scale);
        Unsafe.WriteUnaligned(block + 2, minimum);
        byte* bytes = block + 4 + PackedScales.Bytes;
        bool hasFifths = this == OfQ5_K;
        Vector256<byte> fifths = default;
        if (hasFifths) bytes += Part;
        for (int part = 0; part < Parts; part++)
        {
            float partScale = HalfBits.ToSingle(scale) * packedScales[part];
            float partMinimum = HalfBits.ToSingle(minimum) * packedMinima[part];
            Vector256<byte> levels = Levels(source + (part * Part), partScale, partMinimum, fitted[part]);
            fifths |= Vector256.Equals(levels & Vector256.Create((byte)16), Vector256.Create((byte)16)) & Vector256.Create((byte)(1 << part));
            levels &= Vector256.Create((byte)15);
            byte* pair = bytes + (part / 2 * Part);
            (part % 2 == 0 ? levels : Vector256.Load(pair) | (levels.AsUInt16() << 4).AsByte()).Store(pair);
        }

        if (hasFifths) fifths.Store(block + 4 + PackedScales.Bytes);
    }

    /// <summary>The levels of 32 elements.</summary>
    private Vector256<byte> Levels(float* x, float scale, float minimum, in Fitted fitted)
    {
        Vector256<int>* levels = stackalloc Vector256<int>[4];
        for (int i = 0; i < 4; i++)
        {
            // A scale that rounded to nothing leaves the levels that were fitted.
            Vector256<float> elements = Vector256.Load(x + (8 * i));
            levels[i] = Vector256.ConvertToInt32(scale == 0
                ? Level(Vector256.Create(fitted.Inverse) * (elements - Vector256.Create(fitted.Least)))
                : Level((elements + Vector256.Create(minimum)) / Vector256.Create(scale)));
        }

        return Vector256.Narrow(Vector256.Narrow(levels[0], levels[1]), Vector256.Narrow(levels[2], levels[3])).AsByte();
    }

    private Fitted Fit(float* x)
    {
        float sumSquares = 0;
        for (int i = 0; i < Part; i++) sumSquares += x[i] * x[i];
        float average = MathF.Sqrt(sumSquares / Part);

        float* weights = stackalloc float[Part];
        float sumWeights = 0, sumX = 0;
        for (int i = 0; i < Part; i++)
        {
            weights[i] = average + MathF.Abs(x[i]);
            sumWeights += weights[i];
            sumX += weights[i] * x[i];
        }

        (float min, float max) = Extremes(x);
        min = MathF.Min(min, 0);
        if (max == min) return new Fitted(0, -min, 0, min);

        float* errors = stackalloc float[Width];
        float* scales = stackalloc float[Width];
        float* offsets = stackalloc float[Width];
        float inverse = most / (max - min);
        Try(x, weights, Vector256.Create(inverse), min, sumWeights, sumX, isPlain: true, errors, scales, offsets);
        float best = *errors;
        var fitted = new Fitted(*scales, -min, inverse, min);
        fixed (float* levels = ranges)
        {
            // As in the reference, the minimum of a try that is better is where the next ones begin.
            for (int first = 0; first < steps;)
            {
                Try(
                    x, weights, Vector256.Load(levels + first) / Vector256.Create(max - min), min, sumWeights, sumX, isPlain: false,
                    errors, scales, offsets);
                int better = 0;
                while (better < Math.Min(Width, steps - first) && !(errors[better] < best)) better++;
                if (better < Math.Min(Width, steps - first))
                {
                    best = errors[better];
                    fitted = new Fitted(scales[better], -offsets[better], levels[first + better] / (max - min), min);
                    min = offsets[better];
                }

                first += Math.Min(better + 1, Width);
            }
        }

        return fitted;
    }

    private static (float Min, float Max) Extremes(float* x)
    {
        Vector256<float> least = Vector256.Load(x), greatest = least;
        for (int i = 8; i < Part; i += 8)
        {
            least = Vector256.Min(least, Vector256.Load(x + i));
            greatest = Vector256.Max(greatest, Vector256.Load(x + i));
        }

        float min = least[0], max = greatest[0];
        for (int i = 1; i < 8; i++)
        {
            min = MathF.Min(min, least[i]);
            max = MathF.Max(max, greatest[i]);
        }

        return (min, max);
    }

    /// <summary>Fits scale and offset for eight tries, and says how well they do.</summary>
    /// <param name="x">32 elements.</param>
    /// <param name="weights">How much each of them counts.</param>
    /// <param name="inverse">Levels for a difference of one, of each try.</param>
    /// <param name="least">The element of level 0.</param>
    /// <param name="sumWeights">Sum of the weights.</param>
    /// <param name="sumX">Sum of the weighted elements.</param>
    /// <param name="isPlain">Whether nothing is fitted.</param>
    /// <param name="errors">Receives the weighted squared error of each try; no number where nothing can be fitted.</param>
    /// <param name="scales">Receives the scales.</param>
    /// <param name="offsets">Receives the offsets.</param>
    private void Try(
        float* x, float* weights, Vector256<float> inverse, float least, float sumWeights, float sumX, bool isPlain,
        float* errors, float* scales, float* offsets)
    {
        Vector256<float>* levels = stackalloc Vector256<float>[Part];
        Vector256<float> sumL = default, sumL2 = default, sumXL = default;
        for (int i = 0; i < Part; i++)
        {
            Vector256<float> level = levels[i] = Level(inverse * Vector256.Create(x[i] - least));
            Vector256<float> weighted = Vector256.Create(weights[i]) * level;
            sumL += weighted;
            sumL2 += weighted * level;
            sumXL += weighted * Vector256.Create(x[i]);
        }

        Vector256<float> allWeights = Vector256.Create(sumWeights), allX = Vector256.Create(sumX);
        Vector256<float> determinant = (allWeights * sumL2) - (sumL * sumL);
        Vector256<float> scale = ((allWeights * sumXL) - (allX * sumL)) / determinant;
        Vector256<float> offset = ((sumL2 * allX) - (sumL * sumXL)) / determinant;
        Vector256<float> above = Vector256.GreaterThan(offset, Vector256<float>.Zero);
        offset = Vector256.AndNot(offset, above);
        scale = Vector256.ConditionalSelect(above, sumXL / sumL2, scale);
        Vector256<float> possible = Vector256.GreaterThan(determinant, Vector256<float>.Zero);
        if (isPlain)
        {
            scale = Vector256<float>.One / inverse;
            offset = Vector256.Create(least);
            possible = Vector256<float>.AllBitsSet;
        }

        Vector256<float> error = default;
        for (int i = 0; i < Part; i++)
        {
            Vector256<float> difference = (scale * levels[i]) + offset - Vector256.Create(x[i]);
            error += Vector256.Create(weights[i]) * (difference * difference);
        }

        Vector256.ConditionalSelect(possible, error, Vector256.Create(float.NaN)).Store(errors);
        scale.Store(scales);
        offset.Store(offsets);
    }

    /// <summary>The nearest level, ties to even; 0 for what is no number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Level(Vector256<float> value)
    {
        Vector256<float> rounded = Vector256.Round(value);
        return Vector256.MinNative(rounded & Vector256.GreaterThan(rounded, Vector256<float>.Zero), Vector256.Create(most));
    }

    // Ties to even.
    private static int Nearest(float value) => (int)MathF.Round(value);

    /// <summary>What was found for 32 elements.</summary>
    /// <param name="Scale">Their scale.</param>
    /// <param name="Minimum">Their minimum, a positive number to be subtracted.</param>
    /// <param name="Inverse">Levels for a difference of one, which the levels were found with.</param>
    /// <param name="Least">The element of level 0.</param>
    private readonly record struct Fitted(float Scale, float Minimum, float Inverse, float Least);
}
