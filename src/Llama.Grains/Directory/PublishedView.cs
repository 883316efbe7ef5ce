namespace Llama.Grains.Directory;

/// <summary>The present view of a directory, and whoever waits for the next.</summary>
internal sealed class PublishedView
{
    private readonly Lock gate = new();
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DirectoryView view = new(0, new Dictionary<string, DirectoryEntry>());

    /// <summary>The present view.</summary>
    public DirectoryView Now
    {
        get
        {
            lock (gate) return view;
        }
    }

    /// <summary>Replaces it by one of these entries, which it copies.</summary>
    public void Publish(IReadOnlyDictionary<string, DirectoryEntry> entries)
    {
        lock (gate)
        {
            view = new DirectoryView(view.Version + 1, new Dictionary<string, DirectoryEntry>(entries, StringComparer.Ordinal));
            changed.SetResult();
            changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <inheritdoc cref="IDirectory.WaitForChangeAsync"/>
    public async Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task change;
            lock (gate)
            {
                if (view.Version > version) return view;
                change = changed.Task;
            }

            await change.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
