using System.Collections.Concurrent;
using Llama.Grains.Answers;
using Llama.Grains.Silos;
using Llama.Grains.Stages;

namespace Llama.Grains.Tests.Silos;

/// <summary>Silos of this process, which gateways call directly; what they say of themselves is heard after each call.</summary>
internal sealed class TestSilos : ISilos, IAnswerSilos
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Listing> listings = new(StringComparer.Ordinal);
    private readonly PublishedSilos view = new();
    private readonly ConcurrentQueue<Member> suspected = [];

    public SilosView View => view.Now;

    /// <summary>Silos whose pipelines were lost, in order.</summary>
    public IReadOnlyCollection<Member> Suspected => suspected;

    public IReadOnlyList<SiloNode> Nodes
    {
        get
        {
            lock (gate) return [.. listings.Values.Select(listing => listing.Node)];
        }
    }

    public SiloNode this[string name]
    {
        get
        {
            lock (gate) return listings.TryGetValue(name, out Listing? listing) ? listing.Node : throw new IOException($"{name} is gone.");
        }
    }

    /// <summary>A silo comes.</summary>
    public void Add(SiloNode node) => Change(() => listings.Add(node.Member.Name, new Listing(node, null, true)));

    /// <summary>A silo goes, and answers no calls.</summary>
    public void Remove(string name) => Change(() => listings.Remove(name));

    /// <summary>A silo is seen no more; it answers calls all the same.</summary>
    public void Forget(string name) => Change(() => listings[name] = listings[name] with { Seen = false });

    /// <summary>A silo is seen again.</summary>
    /// <param name="name">The silo.</param>
    /// <param name="instance">Another process than it was, which knows nothing of what was before; null for the same.</param>
    public void Return(string name, string? instance = null) =>
        Change(() => listings[name] = listings[name] with { Seen = true, Another = instance });

    public Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
        view.WaitForChangeAsync(version, cancellationToken);

    public void Suspect(Member silo) => suspected.Enqueue(silo);

    public async Task<StageReport> LoadAsync(Member silo, StageAssignment assignment, CancellationToken cancellationToken)
    {
        try
        {
            return await this[silo.Name].LoadAsync(assignment, cancellationToken);
        }
        finally
        {
            Change(() => { });
        }
    }

    public Task MarkAsync(Member silo, bool drained, CancellationToken cancellationToken)
    {
        this[silo.Name].Mark(new DrainMark(silo.Instance, drained));
        Change(() => { });
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<int>> AppendAsync(string silo, IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken) =>
        Task.FromResult(this[silo].Answers.Append(parts));

    public Task<RecordPage> ReadAsync(string silo, RecordPlace place, CancellationToken cancellationToken) =>
        Task.FromResult(this[silo].Answers.Read(place));

    private void Change(Action change)
    {
        lock (gate)
        {
            change();
            view.Publish([.. listings.Values.Where(listing => listing.Seen).Select(listing => listing.Member)], []);
        }
    }

    /// <param name="Node">The silo.</param>
    /// <param name="Another">What its process is called, when it is not the one that the node is of.</param>
    /// <param name="Seen">Whether it is in the view.</param>
    private sealed record Listing(SiloNode Node, string? Another, bool Seen)
    {
        public Member Member =>
            Another is null ? Node.Member : Node.Member with { Instance = Another, LastEpoch = 0, Drained = false };
    }
}
