using System.Collections.Concurrent;

namespace Llama.Bench.Fuzz;

/// <summary>Sends mutated requests to a gateway.</summary>
/// <param name="client">Sends them.</param>
/// <param name="seeds">What they are made of.</param>
/// <param name="seed">Says how.</param>
internal sealed class FuzzRun(FuzzClient client, IReadOnlyList<FuzzSeed> seeds, int seed)
{
    private int next;
    private int done;

    /// <summary>Requests that were answered, by what: HTTP's status, or -1 minus gRPC's; 0 for a connection that was closed.</summary>
    public ConcurrentDictionary<int, int> Statuses { get; } = new();

    /// <summary>What went wrong.</summary>
    public ConcurrentQueue<string> Faults { get; } = new();

    /// <summary>Requests that are done.</summary>
    public int Done => done;

    /// <summary>Sends so many more requests.</summary>
    /// <param name="count">How many.</param>
    /// <param name="clients">How many at the same time.</param>
    /// <param name="stopping">Gives up.</param>
    public async Task RunAsync(int count, int clients, CancellationToken stopping)
    {
        int end = next + count;
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(
            async () =>
            {
                for (int number = Interlocked.Increment(ref next); number <= end; number = Interlocked.Increment(ref next)) await SendAsync(number, stopping).ConfigureAwait(false);
            },
            stopping))).ConfigureAwait(false);
        next = end;
    }

    // Each request is a function of its number, so a fault can be had again.
    private async Task SendAsync(int number, CancellationToken stopping)
    {
        var random = new Random(unchecked((seed * 1_000_003) + number));
        FuzzSeed made = seeds[random.Next(seeds.Count)];
        byte[] bytes = new FuzzMutator(random).Mutate(made);
        FuzzResult result = await client.SendAsync(made, bytes, stopping).ConfigureAwait(false);
        Statuses.AddOrUpdate(result.Status, 1, (_, count) => count + 1);
        Interlocked.Increment(ref done);
        if (result.Fault is { } fault) Faults.Enqueue($"request {number} ({made.Method} {made.Path}, {Convert.ToBase64String(bytes.AsSpan(0, Math.Min(bytes.Length, 600)))}): {fault}");
    }
}
