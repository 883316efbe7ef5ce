using Llama.Grains.Directory;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Model.Layers;

namespace Llama.Grains.Gateway;

/// <summary>Turns chosen silos into the stages of a pipeline, and memory into KV blocks.</summary>
internal sealed class PipelinePlanner(ClusterSettings settings)
{
    /// <summary>Sequences of full context that the KV pool never exceeds: more would only take memory.</summary>
    private const int MostFullSequences = 64;

    /// <summary>Silos that one pipeline can use: more than layers would stand by, and given ranges say it exactly.</summary>
    public int MostStages => settings.Ranges?.Count ?? settings.Config.Layers;

    /// <summary>Plans the stages.</summary>
    /// <param name="silos">The silos in pipeline order, at most <see cref="MostStages"/>.</param>
    /// <exception cref="PlacementException">The model does not fit them.</exception>
    public PipelinePlan Plan(IReadOnlyList<Member> silos)
    {
        long blockBytes = CpuLayerRange.KvBlockBytes(settings.Config, 1);
        int contextBlocks = BlockPool.BlocksFor(settings.Config.ContextLength);
        var costs = ModelCosts.Of(settings.Config, settings.ElementBytes, blockBytes * Math.Min(contextBlocks, 64));
        if (settings.Ranges is { } given && given.Count != silos.Count)
            throw new PlacementException($"--ranges names {given.Count} ranges; {silos.Count} silos are there.");
        IReadOnlyList<LayerSpan> spans = settings.Ranges
            ?? LayerPlanner.Plan(costs, [.. silos.Select(silo => new SiloCapacity(silo.Threads, silo.MemoryBytes))]);

        long blocks = (long)contextBlocks * MostFullSequences;
        for (int i = 0; i < spans.Count; i++)
        {
            long weights = costs.Bytes(spans[i]) - (spans[i].Count * costs.KvBytesPerLayer);
            long memory = Math.Min(settings.KvMemory, silos[i].MemoryBytes - weights);
            blocks = Math.Min(blocks, memory / (blockBytes * spans[i].Count));
            if (blocks < 1)
            {
                throw new PlacementException(
                    $"{silos[i].Name} has no room for KV: layers {spans[i].First} to {spans[i].End - 1} take {weights} of"
                    + $" {silos[i].MemoryBytes} bytes and at most {settings.KvMemory} may be KV.");
            }
        }

        int kvBlocks = (int)Math.Min(blocks, int.MaxValue / BlockPool.BlockTokens);
        var slowest = LayerTime.Of(
            Math.Max(settings.Config.LayerElements, (long)settings.Config.VocabSize * settings.Config.Dim),
            Math.Max(costs.LayerBytes, costs.HeadBytes),
            silos.Min(silo => silo.Threads));
        return new PipelinePlan([.. spans.Select((span, i) => new PlannedStage(silos[i], span))], kvBlocks, slowest);
    }
}
