namespace Llama.Grains.Placement;

/// <summary>The layers do not fit the silos.</summary>
public sealed class PlacementException : Exception
{
    /// <summary>The layers do not fit the silos.</summary>
    /// <param name="message">What is needed and what there is.</param>
    /// <param name="neededBytes">Bytes that are needed; 0 if memory is not what is missing.</param>
    /// <param name="offeredBytes">Bytes that there are.</param>
    public PlacementException(string message, long neededBytes = 0, long offeredBytes = 0)
        : base(message)
    {
        (NeededBytes, OfferedBytes) = (neededBytes, offeredBytes);
    }

    /// <summary>Bytes that are needed; 0 if memory is not what is missing.</summary>
    public long NeededBytes { get; }

    /// <summary>Bytes that there are.</summary>
    public long OfferedBytes { get; }
}

/// <summary>
/// Cuts the layers into consecutive ranges, one for each silo in the given order, so that the slowest stage is as fast as can be; among
/// such cuts it takes those that leave most layers where they are, and of these the most even one. A dynamic program over (silos, layers):
/// exact, and instant for any released model.
/// </summary>
public static class LayerPlanner
{
    /// <summary>Plans a pipeline.</summary>
    /// <param name="costs">What the layers cost.</param>
    /// <param name="silos">The silos in pipeline order, at most as many as layers.</param>
    /// <returns>The range of each silo.</returns>
    /// <exception cref="PlacementException">No cut fits the silos' memory.</exception>
    public static IReadOnlyList<LayerSpan> Plan(ModelCosts costs, IReadOnlyList<SiloCapacity> silos)
    {
        ArgumentNullException.ThrowIfNull(costs);
        ArgumentNullException.ThrowIfNull(silos);
        if (silos.Count < 1 || silos.Count > costs.Layers)
            throw new PlacementException($"{costs.Layers} layers cannot be cut into {silos.Count} ranges.");
        Cut[,] fastest = Solve(costs, silos, double.PositiveInfinity, (slowest, stage, _, _) => Math.Max(slowest, stage));
        double bottleneck = fastest[silos.Count, costs.Layers].Value;
        if (double.IsPositiveInfinity(bottleneck)) throw DoesNotFit(costs, silos);

        // Every stage within the bottleneck (and rounding): the smallest sum of squares is the most even cut, and counts less than a layer
        // that moves.
        double aLayer = 2 * silos.Count;
        Cut[,] even = Solve(costs, silos, bottleneck * (1 + 1e-9), (sum, stage, silo, span) =>
            sum + (stage / bottleneck * (stage / bottleneck)) + (aLayer * (span.Count - span.Common(silos[silo].Has).Count)));
        var spans = new LayerSpan[silos.Count];
        int end = costs.Layers;
        for (int silo = silos.Count; silo > 0; silo--)
        {
            spans[silo - 1] = new LayerSpan(even[silo, end].First, end);
            end = even[silo, end].First;
        }

        return spans;
    }

    private static Cut[,] Solve(
        ModelCosts costs, IReadOnlyList<SiloCapacity> silos, double longestStage,
        Func<double, double, int, LayerSpan, double> combine)
    {
        var best = new Cut[silos.Count + 1, costs.Layers + 1];
        for (int silo = 0; silo <= silos.Count; silo++)
        {
            for (int end = 0; end <= costs.Layers; end++)
                best[silo, end] = silo == 0 && end == 0 ? new Cut(0, 0) : new Cut(double.PositiveInfinity, 0);
        }

        for (int silo = 1; silo <= silos.Count; silo++)
        {
            for (int end = silo; end <= costs.Layers; end++)
            {
                for (int first = silo - 1; first < end; first++)
                {
                    var span = new LayerSpan(first, end);
                    double time = costs.Time(span) / silos[silo - 1].Speed;
                    if (time > longestStage || costs.Bytes(span) > silos[silo - 1].MemoryBytes) continue;
                    double value = combine(best[silo - 1, first].Value, time, silo - 1, span);
                    if (value < best[silo, end].Value) best[silo, end] = new Cut(value, first);
                }
            }
        }

        return best;
    }

    private static PlacementException DoesNotFit(ModelCosts costs, IReadOnlyList<SiloCapacity> silos)
    {
        long needed = costs.Bytes(new LayerSpan(0, costs.Layers));
        double offered = silos.Sum(s => (double)s.MemoryBytes);
        return new PlacementException(
            $"The model needs {Mebibytes(needed)} with its KV cache; {silos.Count} silos offer {Mebibytes(offered)}"
            + (offered >= needed ? ", but no cut of the layers fits each of them." : $": {Mebibytes(needed - offered)} more are needed."),
            needed, (long)Math.Min(offered, long.MaxValue));
    }

    private static string Mebibytes(double bytes) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / 1048576.0:N0} MiB");

    private readonly record struct Cut(double Value, int First);
}
