using System.Diagnostics;
using Llama.Cluster.Tests.Processes;

namespace Llama.Cluster.Tests.Clients;

/// <summary>Several streams at once, with the tokens that have come so far.</summary>
internal sealed class Streams
{
    private readonly List<int>[] tokens;
    private readonly Task[] reading;
    private long lastToken;
    private long longestSilence;

    /// <summary>Asks for all of them.</summary>
    public Streams(GatewayClient client, TokenRequest[] requests)
    {
        tokens = [.. requests.Select(_ => new List<int>())];
        reading = [.. requests.Select((request, i) => ReadAsync(client, request, tokens[i]))];
    }

    /// <summary>The tokens so far.</summary>
    public IReadOnlyList<int>[] Tokens
    {
        get
        {
            lock (tokens) return [.. tokens.Select(stream => stream.ToArray())];
        }
    }

    /// <summary>The longest time in which no stream got a token, once one had.</summary>
    public TimeSpan LongestSilence => TimeSpan.FromTicks(longestSilence);

    /// <summary>Asks for all of them, and waits until each has some tokens.</summary>
    public static async Task<Streams> BegunAsync(TestCluster cluster, TokenRequest[] requests, int tokens = 5, GatewayClient? client = null)
    {
        var streams = new Streams(client ?? cluster.Client, requests);
        await Wait.UntilAsync(
            "every stream has begun", TimeSpan.FromSeconds(30), () => streams.Tokens.All(t => t.Count >= tokens), () => cluster.Output);
        return streams;
    }

    /// <summary>Waits until all have all their tokens.</summary>
    public Task EndedAsync() => Task.WhenAll(reading);

    private async Task ReadAsync(GatewayClient client, TokenRequest request, List<int> stream)
    {
        await foreach (IReadOnlyList<int> part in client.StreamAsync(request, TestContext.Current.CancellationToken))
        {
            lock (tokens)
            {
                stream.AddRange(part);
                long now = Stopwatch.GetTimestamp();
                if (lastToken > 0) longestSilence = Math.Max(longestSilence, Stopwatch.GetElapsedTime(lastToken, now).Ticks);
                lastToken = now;
            }
        }
    }
}
