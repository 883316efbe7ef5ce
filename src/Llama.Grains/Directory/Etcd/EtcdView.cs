using System.Text;

namespace Llama.Grains.Directory.Etcd;

/// <summary>What is known of the keys in an etcd, and for how long after they are gone.</summary>
internal sealed class EtcdView : IDisposable
{
    private readonly string prefix;
    private readonly TimeSpan leaseTime;
    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private readonly Dictionary<string, DirectoryEntry> entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> lingering = new(StringComparer.Ordinal);
    private readonly ITimer graceTimer;
    private long lastHeard;
    private bool grace;

    /// <summary>Knows nothing yet.</summary>
    /// <param name="prefix">Before every key in etcd.</param>
    /// <param name="leaseTime">How long a lease lives without being renewed.</param>
    /// <param name="time">Measures silences.</param>
    public EtcdView(string prefix, TimeSpan leaseTime, TimeProvider time)
    {
        this.prefix = prefix;
        this.leaseTime = leaseTime;
        this.time = time;
        lastHeard = time.GetTimestamp();
        graceTimer = time.CreateTimer(_ => EndGrace(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The view.</summary>
    public PublishedView Published { get; } = new();

    /// <summary>One key as etcd tells it.</summary>
    public static DirectoryEntry Entry(string key, EtcdKeyValue pair) =>
        new(key, Encoding.UTF8.GetString(pair.Value ?? []), pair.ModRevision, pair.Lease);

    /// <summary>Takes all keys that etcd has.</summary>
    public void Replace(EtcdKeyValue[] all)
    {
        lock (gate)
        {
            List<DirectoryEntry> present = [.. all.Select(Entry)];
            foreach (string key in entries.Keys.Except(present.Select(entry => entry.Key)).ToList()) Remove(key);
            foreach (DirectoryEntry entry in present) Put(entry);
            Published.Publish(entries);
        }
    }

    /// <summary>Takes what has changed.</summary>
    public void Apply(EtcdEvent[] events)
    {
        lock (gate)
        {
            Heard();
            foreach (EtcdEvent change in events)
            {
                DirectoryEntry entry = Entry(change.Kv);
                if (change.Type == "DELETE") Remove(entry.Key);
                else Put(entry);
            }

            if (events.Length > 0) Published.Publish(entries);
        }
    }

    /// <summary>
    /// Every process that has something in a directory asks it once a second: half a lease without an answer means that it was away, or
    /// stood still.
    /// </summary>
    public void Heard()
    {
        lock (gate)
        {
            long now = time.GetTimestamp();
            if (time.GetElapsedTime(lastHeard, now) > leaseTime / 2) StartGrace();
            lastHeard = now;
        }
    }

    /// <summary>
    /// An etcd that was away, stood still, or comes back empty could not be told who is alive: that says something of itself, and nothing
    /// of the processes. They get the time of a lease to be heard again; what was known of them stays until then.
    /// </summary>
    public void StartGrace()
    {
        lock (gate)
        {
            grace = true;
            graceTimer.Change(leaseTime, Timeout.InfiniteTimeSpan);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => graceTimer.Dispose();

    private void Put(DirectoryEntry entry)
    {
        entries[entry.Key] = entry;
        lingering.Remove(entry.Key);
    }

    private void Remove(string key)
    {
        if (grace && entries.ContainsKey(key)) lingering.Add(key);
        else entries.Remove(key);
    }

    private void EndGrace()
    {
        lock (gate)
        {
            grace = false;
            if (lingering.Count == 0) return;
            foreach (string key in lingering) entries.Remove(key);
            lingering.Clear();
            Published.Publish(entries);
        }
    }

    private DirectoryEntry Entry(EtcdKeyValue pair) => Entry(Encoding.UTF8.GetString(pair.Key)[prefix.Length..], pair);
}
