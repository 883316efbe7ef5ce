namespace Llama.Grains.Placement;

/// <summary>
/// The order of silos in a pipeline that follows another: those that have layers of it keep theirs, and each other one takes the place
/// where the slowest stage is as fast as can be, and then most layers stay where they are.
/// </summary>
public static class PipelineOrder
{
    /// <summary>Orders silos.</summary>
    /// <param name="costs">What the layers cost.</param>
    /// <param name="silos">The silos, in the order that counts where nothing else does.</param>
    /// <returns>Their indices, in pipeline order.</returns>
    public static IReadOnlyList<int> Of(ModelCosts costs, IReadOnlyList<SiloCapacity> silos)
    {
        ArgumentNullException.ThrowIfNull(costs);
        ArgumentNullException.ThrowIfNull(silos);
        bool IsNew(int silo) => silos[silo].Has.Count == 0;
        List<int> order = [.. Enumerable.Range(0, silos.Count).OrderBy(IsNew).ThenBy(silo => silos[silo].Has.First)];
        int newcomers = order.Count(IsNew);
        if (newcomers == silos.Count) return order;
        foreach (int newcomer in order[^newcomers..])
        {
            List<int> others = [.. order.Where(silo => silo != newcomer)];
            order = Enumerable.Range(0, silos.Count)
                .Select(place => (List<int>)[.. others[..place], newcomer, .. others[place..]])
                .MinBy(places => Rate(costs, [.. places.Select(silo => silos[silo])]))!;
        }

        return order;
    }

    private static (double Slowest, int Moved) Rate(ModelCosts costs, SiloCapacity[] silos)
    {
        try
        {
            IReadOnlyList<LayerSpan> spans = LayerPlanner.Plan(costs, silos);
            return (
                spans.Zip(silos, (span, silo) => costs.Time(span) / silo.Speed).Max(),
                spans.Zip(silos, (span, silo) => span.Count - span.Common(silo.Has).Count).Sum());
        }
        catch (PlacementException)
        {
            return (double.PositiveInfinity, 0);
        }
    }
}
