namespace Llama.Grains.Hosting;

/// <summary>A value that is replaced now and then, and the waits for another.</summary>
/// <typeparam name="T">An immutable type.</typeparam>
/// <param name="first">The first value.</param>
internal sealed class Published<T>(T first)
{
    private readonly Lock gate = new();
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T value = first;

    /// <summary>The present value.</summary>
    public T Now
    {
        get
        {
            lock (gate) return value;
        }
    }

    /// <summary>Replaces the value by one made from it; waits end only if it differs.</summary>
    /// <param name="next">Makes the next value; it runs alone.</param>
    public void Update(Func<T, T> next)
    {
        lock (gate)
        {
            T updated = next(value);
            if (EqualityComparer<T>.Default.Equals(updated, value)) return;
            value = updated;
            changed.SetResult();
            changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Waits until the value is as the caller wants it.</summary>
    /// <param name="wanted">Whether a value is; it is asked once for each value that the caller gets to see.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>That value.</returns>
    public async Task<T> WaitAsync(Func<T, bool> wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            T now;
            Task change;
            lock (gate)
            {
                now = value;
                change = changed.Task;
            }

            if (wanted(now)) return now;
            await change.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
