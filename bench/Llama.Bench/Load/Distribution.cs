namespace Llama.Bench.Load;

/// <summary>Percentiles of times, by the nearest rank: each is one of the times.</summary>
/// <param name="P50">The median.</param>
/// <param name="P90">Nine of ten are not above it.</param>
/// <param name="P99">Ninety-nine of a hundred are not above it.</param>
/// <param name="Max">The longest.</param>
internal sealed record Distribution(double P50, double P90, double P99, double Max)
{
    /// <summary>The distribution of some times; null of none.</summary>
    public static Distribution? Of(IEnumerable<double> times)
    {
        double[] sorted = [.. times.Order()];
        return sorted.Length == 0 ? null : new Distribution(Rank(0.50), Rank(0.90), Rank(0.99), sorted[^1]);

        double Rank(double part) => sorted[Math.Max(0, (int)Math.Ceiling(part * sorted.Length) - 1)];
    }
}
