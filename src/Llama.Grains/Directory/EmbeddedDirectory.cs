namespace Llama.Grains.Directory;

/// <summary>The directory inside the gateway: entries in memory, their leases watched by a timer.</summary>
public sealed class EmbeddedDirectory : IDirectory, IDisposable
{
    /// <summary>How long a lease lives without being renewed.</summary>
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(3);

    private readonly Lock gate = new();
    private readonly TimeProvider time;
    private readonly HashSet<Lease> leases = [];
    private readonly Dictionary<string, DirectoryEntry> entries = new(StringComparer.Ordinal);
    private readonly PublishedView view = new();
    private readonly ITimer expiry;
    private long lastExpiry;
    private long lastRevision;
    private long lastLease;

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
    public DirectoryView View => view.Now;

    /// <inheritdoc/>
    public Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
        view.WaitForChangeAsync(version, cancellationToken);

    /// <inheritdoc/>
    public ILease Grant()
    {
        lock (gate)
        {
            var lease = new Lease(this, ++lastLease) { LastSeen = time.GetTimestamp() };
            leases.Add(lease);
            return lease;
        }
    }

    /// <inheritdoc/>
    public bool TryPut(string key, string value, long revision, long lease, out DirectoryEntry? present)
    {
        lock (gate)
        {
            present = entries.GetValueOrDefault(key);
            if ((present?.Revision ?? 0) != revision || leases.All(one => one.Id != lease)) return false;
            entries[key] = present = new DirectoryEntry(key, value, ++lastRevision, lease);
            view.Publish(entries);
            return true;
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
                foreach (Lease lease in leases) lease.LastSeen = lastExpiry;
            }

            End([.. leases.Where(lease => time.GetElapsedTime(lease.LastSeen) > LeaseTime)]);
        }
    }

    private void End(IReadOnlyList<Lease> ending)
    {
        List<string> keys = [];
        foreach (Lease lease in ending.Where(leases.Remove))
            keys.AddRange(entries.Values.Where(entry => entry.Lease == lease.Id).Select(entry => entry.Key));
        if (keys.Count == 0) return;
        foreach (string key in keys) entries.Remove(key);
        view.Publish(entries);
    }

    private sealed class Lease(EmbeddedDirectory directory, long id) : ILease
    {
        public long Id => id;

        public long LastSeen { get; set; }

        public bool Renew()
        {
            lock (directory.gate)
            {
                LastSeen = directory.time.GetTimestamp();
                return directory.leases.Contains(this);
            }
        }

        public void Dispose()
        {
            lock (directory.gate) directory.End([this]);
        }
    }
}
