namespace Llama.Grains.Directory;

/// <summary>The directory inside the gateway: members in memory, their leases watched by a timer.</summary>
public sealed class EmbeddedDirectory : IDirectory, IDisposable
{
    /// <summary>How long a member lives without renewing its lease.</summary>
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(3);

    private readonly Lock gate = new();
    private readonly TimeProvider time;
    private readonly Dictionary<string, Lease> leases = new(StringComparer.Ordinal);
    private readonly ITimer expiry;
    private long lastExpiry;
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DirectoryView view = new(0, []);

    /// <summary>Makes an empty directory.</summary>
    /// <param name="time">Measures the leases.</param>
    public EmbeddedDirectory(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        this.time = time;
        lastExpiry = time.GetTimestamp();
        expiry = time.CreateTimer(_ => Expire(), null, LeaseTime / 4, LeaseTime / 4);
    }

    /// <inheritdoc/>
    public DirectoryView View
    {
        get
        {
            lock (gate) return view;
        }
    }

    /// <inheritdoc/>
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

    /// <inheritdoc/>
    public ILease Join(Member member)
    {
        ArgumentNullException.ThrowIfNull(member);
        if (member.Fault() is { } fault) throw new DirectoryException(fault);
        lock (gate)
        {
            if (leases.TryGetValue(member.Name, out Lease? other))
                throw new DirectoryException(
                    $"A silo named '{member.Name}' is a member already (process {other.Member.ProcessId} at {other.Member.Address}).");
            var lease = new Lease(this, member) { LastSeen = time.GetTimestamp() };
            leases.Add(member.Name, lease);
            Publish();
            return lease;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => expiry.Dispose();

    private void Expire()
    {
        lock (gate)
        {
            // A directory that has stood still has heard nobody: that says something of itself, and nothing of the members.
            bool late = time.GetElapsedTime(lastExpiry) > LeaseTime / 2;
            lastExpiry = time.GetTimestamp();
            if (late)
            {
                foreach (Lease lease in leases.Values) lease.LastSeen = lastExpiry;
            }

            List<Lease> expired = [.. leases.Values.Where(lease => time.GetElapsedTime(lease.LastSeen) > LeaseTime)];
            foreach (Lease lease in expired) End(lease);
        }
    }

    private void End(Lease lease)
    {
        if (lease.Ended) return;
        lease.Ended = true;
        leases.Remove(lease.Member.Name);
        Publish();
    }

    private void Publish()
    {
        view = new DirectoryView(
            view.Version + 1, [.. leases.Values.Select(lease => lease.Member).OrderBy(m => m.Name, NaturalOrder.Instance)]);
        changed.SetResult();
        changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Lease(EmbeddedDirectory directory, Member member) : ILease
    {
        public Member Member { get; } = member;

        public long LastSeen { get; set; }

        public bool Ended { get; set; }

        public bool Renew()
        {
            lock (directory.gate)
            {
                LastSeen = directory.time.GetTimestamp();
                return !Ended;
            }
        }

        public void Dispose()
        {
            lock (directory.gate) directory.End(this);
        }
    }
}
