using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;

namespace Llama.Grains.Stages;

/// <summary>Holds the loaded range, and for the present epoch the conveyor that moves steps through it.</summary>
public sealed class LayerRangeHost(Func<Checkpoint> open, IDevice device, LinkIdentity self) : IAsyncDisposable
{
    /// <summary>A step in the range ends within this time unless it hangs; those behind it are dropped.</summary>
    private static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(20);

    /// <summary>One load at a time; a later one waits, and finds the epoch of the earlier.</summary>
    private readonly SemaphoreSlim loading = new(1);

    private Checkpoint? checkpoint;
    private ILayerRange? range;
    private StageAssignment? loaded;
    private ulong epoch;
    private ulong appliedStep;
    private bool disposed;
    private volatile StageConveyor? conveyor;

    /// <summary>The newest plan that the stage has had a place in; 0 before the first.</summary>
    public ulong Epoch => Volatile.Read(ref epoch);

    /// <inheritdoc cref="ILayerRangeGrain.LoadAsync"/>
    public async Task<StageReport> LoadAsync(StageAssignment assignment, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(assignment);
        await loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await TakePlaceAsync(assignment, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failure is a value: the gateway gets the sentence, whatever went wrong.
        catch (Exception e) when (e is not (StageException or OperationCanceledException))
#pragma warning restore CA1031
        {
            throw new StageException(e.Message);
        }
        finally
        {
            loading.Release();
        }
    }

    private async Task<StageReport> TakePlaceAsync(StageAssignment assignment, CancellationToken cancellationToken)
    {
        if (disposed) throw new StageException("The stage's process stops.");
        if (assignment.Epoch <= Epoch)
            throw new StageException($"The stage is of epoch {Epoch}; epoch {assignment.Epoch} is over.");
        Volatile.Write(ref epoch, assignment.Epoch);
        await StopAsync().ConfigureAwait(false);
        bool keeps = assignment.Inherits > 0 && loaded?.Lineage == assignment.Inherits
            && (assignment.Carried is not null || loaded.KvBlocks == assignment.KvBlocks);
        LayerSpan kept = keeps ? Span(loaded!).Common(Span(assignment)) : default;
        int[] logs = keeps ? [.. loaded!.Logs.Intersect(assignment.Logs)] : [];
        if (!keeps) appliedStep = 0;
        bool fits = loaded is not null && Span(loaded) == Span(assignment) && loaded.KvBlocks == assignment.KvBlocks
            && loaded.Logs.SequenceEqual(assignment.Logs) && !(keeps && assignment.Carried is not null);
        if (!fits) await Task.Run(() => LoadAsync(assignment, keeps ? assignment.Carried : []), cancellationToken).ConfigureAwait(false);
        loaded = assignment;
        conveyor = new StageConveyor(range!, assignment, self);
        return new StageReport(range!.WeightBytes, kept.First, kept.End, logs, appliedStep, range.MaxStepTokens);
    }

    /// <summary>The conveyor of the present epoch; null when there is none.</summary>
    public StageConveyor? Conveyor => conveyor;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // A load that waits for its turn finds the stage disposed of.
        await loading.WaitAsync().ConfigureAwait(false);
        try
        {
            disposed = true;
            await StopAsync().ConfigureAwait(false);
            await FreeAsync().ConfigureAwait(false);
        }
        finally
        {
            loading.Release();
        }
    }

    private static LayerSpan Span(StageAssignment assignment) => new(assignment.FirstLayer, assignment.EndLayer);

    /// <summary>Loads the layers, out of those that are loaded as far as it has them.</summary>
    private async Task LoadAsync(StageAssignment assignment, IReadOnlyList<int>? carried)
    {
        try
        {
            if (range is not null)
            {
                range = await range.RepartitionAsync(assignment.FirstLayer, assignment.EndLayer, assignment.KvBlocks, assignment.Logs, carried)
                    .ConfigureAwait(false);
                return;
            }

            checkpoint = open();
            range = device.Load(
                checkpoint, assignment.FirstLayer, assignment.EndLayer, self.Model.KvType, assignment.KvBlocks, assignment.Logs);
        }
        catch
        {
            await FreeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <exception cref="InvalidOperationException">A step does not end; a later call may find that it has.</exception>
    private async Task StopAsync()
    {
        if (conveyor is null) return;
        try
        {
            await conveyor.DisposeAsync().AsTask().WaitAsync(StopDeadline).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new InvalidOperationException(
                $"A step of epoch {conveyor.Epoch} still runs after {StopDeadline.TotalSeconds:0} s; the stage hangs.");
        }

        if (conveyor.AppliedStep > 0) appliedStep = conveyor.AppliedStep;
        conveyor = null;
    }

    private async Task FreeAsync()
    {
        if (range is not null) await range.DisposeAsync().ConfigureAwait(false);
        (range, loaded) = (null, null);
        checkpoint?.Dispose();
        checkpoint = null;
    }
}
