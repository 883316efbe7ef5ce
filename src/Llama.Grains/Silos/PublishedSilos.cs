namespace Llama.Grains.Silos;

/// <summary>The present view of the silos, and whoever waits for the next.</summary>
internal sealed class PublishedSilos
{
    private readonly Lock gate = new();
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SilosView view = SilosView.Empty;

    /// <summary>The present view.</summary>
    public SilosView Now
    {
        get
        {
            lock (gate) return view;
        }
    }

    /// <summary>Replaces the view, if anything in it is new.</summary>
    /// <param name="members">The silos that are there; ordered by name here.</param>
    /// <param name="faults">What is wrong with others.</param>
    public void Publish(IEnumerable<Member> members, IEnumerable<string> faults)
    {
        Member[] ordered = [.. members.OrderBy(member => member.Name, NaturalOrder.Instance)];
        string[] sentences = [.. faults.Order(StringComparer.Ordinal)];
        lock (gate)
        {
            if (view.Version > 0 && view.Members.SequenceEqual(ordered) && view.Faults.SequenceEqual(sentences)) return;
            view = new SilosView(view.Version + 1, ordered, sentences);
            changed.SetResult();
            changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <inheritdoc cref="ISilos.WaitForChangeAsync"/>
    public async Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken)
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
