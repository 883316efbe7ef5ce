using Llama.Grains.Hosting;
using Llama.Grains.Silos;
using Llama.Grains.Placement;
using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <summary>
/// A pipeline's layers on their way to other silos. Those that are new to it load their layers first, each in an epoch that has no steps,
/// while the pipeline goes on; then the next one opens under an epoch of its own and finds them loaded.
/// </summary>
internal sealed class Move : IAsyncDisposable
{
    private readonly CancellationTokenSource ending;

    private Move(Pipeline from, PipelinePlan plan, CancellationToken stopping)
    {
        (From, Plan) = (from, plan);
        ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
    }

    /// <summary>The pipeline that goes on until then.</summary>
    public Pipeline From { get; }

    /// <summary>What follows it.</summary>
    public PipelinePlan Plan { get; }

    /// <summary>Completes when the new silos have loaded their layers, with why they have not, or null.</summary>
    public Task<MoveFault?> Prepared { get; private set; } = Task.FromResult<MoveFault?>(null);

    /// <summary>Has the new silos load.</summary>
    /// <param name="from">The pipeline that goes on until then.</param>
    /// <param name="plan">What follows it.</param>
    /// <param name="epoch">An epoch that nobody has seen.</param>
    /// <param name="silos">Calls them.</param>
    /// <param name="stopping">Gives up.</param>
    public static Move Begin(Pipeline from, PipelinePlan plan, ulong epoch, ISilos silos, CancellationToken stopping)
    {
        var move = new Move(from, plan, stopping);
        IEnumerable<PlannedStage> coming = plan.Stages.Where(stage => from.Plan.All(old => old.Member.Name != stage.Member.Name));
        move.Prepared = move.PrepareAsync([.. coming], epoch, silos);
        return move;
    }

    /// <summary>Gives up what is not done.</summary>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        await Prepared.ConfigureAwait(false);
        ending.Dispose();
    }

    private async Task<MoveFault?> PrepareAsync(PlannedStage[] coming, ulong epoch, ISilos silos)
    {
        ending.CancelAfter(Pipeline.LoadDeadline);
        MoveFault?[] faults = await Task.WhenAll(coming.Select(stage => LoadAsync(stage, epoch, silos))).ConfigureAwait(false);
        return Array.Find(faults, fault => fault is not null);
    }

    private async Task<MoveFault?> LoadAsync(PlannedStage stage, ulong epoch, ISilos silos)
    {
        LayerSpan span = stage.Span;
        Member silo = stage.Member;
        try
        {
            var assignment = new StageAssignment
            {
                Epoch = epoch,
                FirstLayer = span.First,
                EndLayer = span.End,
                KvBlocks = Plan.KvBlocks,
                Logs = stage.Logs,
                Lineage = epoch,
                Ticket = Guid.NewGuid(),
            };
            await silos.LoadAsync(silo, assignment, ending.Token).WaitAsync(ending.Token).ConfigureAwait(false);
            return null;
        }
#pragma warning disable CA1031 // A failure is a value: whatever keeps the layers from moving, the pipeline goes on without.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return new MoveFault(silo, $"{silo.Name} cannot hold layers {span.First} to {span.End - 1}: {Brief.Of(e)}");
        }
    }
}

/// <summary>Why layers cannot move.</summary>
/// <param name="Silo">The silo that cannot take them.</param>
/// <param name="Reason">Why, in a sentence.</param>
internal sealed record MoveFault(Member Silo, string Reason);
