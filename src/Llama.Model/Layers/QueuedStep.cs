using System.Collections.Concurrent;
using System.Threading.Tasks.Sources;

namespace Llama.Model.Layers;

/// <summary>
/// A step in the queue of a <see cref="QueuedLayerRange"/>, and the task of its result. It is used again for another step once the result
/// has been taken, so a step that is done allocates nothing.
/// </summary>
internal sealed class QueuedStep : IValueTaskSource<StepOutput>
{
    private readonly ConcurrentBag<QueuedStep> pool;

    // The awaiting code goes on in the range's thread: to send the result from there costs the next step less than it saves this one.
    private ManualResetValueTaskSourceCore<StepOutput> completion;

    private QueuedStep(ConcurrentBag<QueuedStep> pool) => this.pool = pool;

    /// <summary>The step.</summary>
    public Step Step { get; private set; } = null!;

    /// <summary>Its hidden states, the range's until the step is done.</summary>
    public PinnedHiddenStates HiddenStates { get; private set; } = null!;

    /// <summary>Drops the step if it has not begun.</summary>
    public CancellationToken CancellationToken { get; private set; }

    /// <summary>The task of the step; awaited once at most.</summary>
    public ValueTask<StepOutput> Output => new(this, completion.Version);

    /// <summary>Takes one from the pool, or makes one.</summary>
    public static QueuedStep Rent(
        ConcurrentBag<QueuedStep> pool, Step step, PinnedHiddenStates hiddenStates, CancellationToken cancellationToken)
    {
        if (!pool.TryTake(out QueuedStep? queued)) queued = new QueuedStep(pool);
        queued.Step = step;
        queued.HiddenStates = hiddenStates;
        queued.CancellationToken = cancellationToken;
        return queued;
    }

    /// <summary>Completes the task.</summary>
    public void Succeed(StepOutput output) => completion.SetResult(output);

    /// <summary>Fails the task; one that was cancelled is cancelled.</summary>
    public void Fail(Exception reason) => completion.SetException(reason);

    /// <summary>Gives this back to the pool without a result.</summary>
    public void GiveBack()
    {
        completion.Reset();
        Step = null!;
        HiddenStates = null!;
        CancellationToken = default;
        pool.Add(this);
    }

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token) => completion.GetStatus(token);

    /// <inheritdoc/>
    public void OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        completion.OnCompleted(continuation, state, token, flags);

    /// <inheritdoc/>
    public StepOutput GetResult(short token)
    {
        // A call for the result of another step, or too early, must not end this one.
        bool done = completion.GetStatus(token) != ValueTaskSourceStatus.Pending;
        try
        {
            return completion.GetResult(token);
        }
        finally
        {
            if (done) GiveBack();
        }
    }
}
