using System.Runtime.InteropServices;

namespace Llama.Model.Layers;

/// <summary>
/// Sums of hidden states after the last norm. Numbers are added as integers of 2⁻³², exact in any order: a prompt's sum has the same bits however it
/// was divided into steps. Beyond ±4,096, far more than the norm leaves of a model that works, a number counts as that; one that is not a number
/// counts as 0. So 262,144 positions do not overflow.
/// </summary>
public static class StateSums
{
    private const double Scale = 1L << 32;
    private const double Greatest = 4096;

    /// <summary>Bytes of a sum.</summary>
    /// <param name="dim">Width of a hidden state.</param>
    public static int Bytes(int dim) => dim * sizeof(long);

    /// <summary>Adds a hidden state.</summary>
    /// <param name="sum"><c>[dim]</c>.</param>
    /// <param name="state"><c>[dim]</c>.</param>
    internal static void Add(Span<long> sum, ReadOnlySpan<float> state)
    {
        for (int i = 0; i < sum.Length; i++) sum[i] += (long)Math.Round(Math.Clamp(state[i], -Greatest, Greatest) * Scale);
    }

    /// <summary>Adds a sum to another.</summary>
    /// <param name="sum"><c>[dim]</c>.</param>
    /// <param name="other">The other, as it came.</param>
    public static void Add(Span<long> sum, ReadOnlySpan<byte> other)
    {
        ReadOnlySpan<long> numbers = MemoryMarshal.Cast<byte, long>(other);
        for (int i = 0; i < sum.Length; i++) sum[i] += numbers[i];
    }

    /// <summary>The vector of length 1 that points where a sum does; zeros for a sum of zeros.</summary>
    /// <param name="sum"><c>[dim]</c>.</param>
    public static float[] Normalize(ReadOnlySpan<long> sum)
    {
        double squares = 0;
        foreach (long number in sum) squares += (double)number * number;
        double scale = squares > 0 ? 1 / Math.Sqrt(squares) : 0;
        float[] vector = new float[sum.Length];
        for (int i = 0; i < vector.Length; i++) vector[i] = (float)(sum[i] * scale);
        return vector;
    }
}
