using Llama.Grains.Hosting;

namespace Llama.Grains.Stages;

/// <summary>The shell of the layers on a device of this process.</summary>
/// <param name="silo">Has the device.</param>
[NamedSiloPlacement, Orleans.GrainDirectory.GrainDirectory(ProcessLocalDirectory.Name), Orleans.Concurrency.Reentrant]
public sealed class LayerRangeGrain(SiloNode silo) : Grain, ILayerRangeGrain
{
    /// <inheritdoc/>
    public Task<Member> DescribeAsync(CancellationToken cancellationToken) => Task.FromResult(silo.Member);

    /// <inheritdoc/>
    public Task<StageReport> LoadAsync(StageAssignment assignment, CancellationToken cancellationToken) =>
        silo.LoadAsync(assignment, cancellationToken);

    /// <inheritdoc/>
    public Task MarkAsync(DrainMark mark, CancellationToken cancellationToken)
    {
        silo.Mark(mark);
        return Task.CompletedTask;
    }
}
