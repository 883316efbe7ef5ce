namespace Llama.Grains.Gateway;

/// <summary>What the choice of a replica depends on.</summary>
/// <param name="Ready">Whether it has a pipeline that works.</param>
/// <param name="Requests">Requests that it has, running or waiting.</param>
/// <param name="CachedTokens">Tokens of the prompt that it would not have to compute.</param>
internal readonly record struct ReplicaLoad(bool Ready, int Requests, int CachedTokens);

/// <summary>
/// Sends a request to the replica where its session was, or else where most of its prompt is cached, unless that one is much busier than
/// another: more than twice as many requests and four. Everything else goes to the least busy one. Of the sessions, those used last are
/// remembered.
/// </summary>
internal sealed class ReplicaChooser
{
    /// <summary>Sessions that are remembered.</summary>
    public const int MostSessions = 1 << 16;

    private const int SlackRequests = 4;

    private readonly Lock gate = new();
    private readonly Dictionary<string, LinkedListNode<(string Session, int Replica)>> places = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Session, int Replica)> byUse = [];

    /// <summary>Chooses the replica of a request, and remembers it for the session.</summary>
    /// <param name="session">The request's session, if it has one.</param>
    /// <param name="replicas">All replicas, at least one.</param>
    public int Choose(string? session, IReadOnlyList<ReplicaLoad> replicas)
    {
        lock (gate)
        {
            IEnumerable<int> ready = Enumerable.Range(0, replicas.Count).Where(i => replicas[i].Ready);
            List<int> candidates = [.. ready.DefaultIfEmpty(0)];
            int least = candidates.MinBy(i => replicas[i].Requests);
            int home = candidates.MaxBy(i => (replicas[i].CachedTokens, -replicas[i].Requests));
            if (session is not null && places.TryGetValue(session, out LinkedListNode<(string Session, int Replica)>? place)
                && candidates.Contains(place.Value.Replica))
                home = place.Value.Replica;
            else if (replicas[home].CachedTokens == 0)
                home = least;
            int chosen = replicas[home].Requests > (2 * replicas[least].Requests) + SlackRequests ? least : home;
            if (session is not null) Remember(session, chosen);
            return chosen;
        }
    }

    private void Remember(string session, int replica)
    {
        if (places.Remove(session, out LinkedListNode<(string Session, int Replica)>? old)) byUse.Remove(old);
        places[session] = byUse.AddFirst((session, replica));
        if (places.Count <= MostSessions) return;
        places.Remove(byUse.Last!.Value.Session);
        byUse.RemoveLast();
    }
}
