using Llama.Cluster.Tests.Processes;
using Llama.Grains.Answers;
using Llama.Grains.Hosting;
using Llama.Grains.Membership;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Cluster.Tests.Clients;

/// <summary>What the silo with the first layers has kept of answers with a key.</summary>
internal sealed class KeptRecords : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly OrleansClient client;

    private KeptRecords(OrleansClient client) => this.client = client;

    /// <summary>Connects to a cluster.</summary>
    public static async Task<KeptRecords> ConnectAsync(TestCluster cluster)
    {
        var client = new OrleansClient(
            new OrleansClientSettings
            {
                Configuration = new ConfigurationBuilder().AddInMemoryCollection(ClusterAddress.Parse(cluster.Store).ToConfiguration()).Build(),
            },
            NullLoggerFactory.Instance, TimeProvider.System);
        await client.StartAsync(TestContext.Current.CancellationToken);
        await client.WaitForConnectionAsync(TestContext.Current.CancellationToken).WaitAsync(Deadline, TestContext.Current.CancellationToken);
        return new KeptRecords(client);
    }

    /// <summary>What there is of an answer; null for nothing.</summary>
    /// <param name="key">Its Idempotency-Key.</param>
    public async Task<AnswerRecord?> ReadAsync(string key)
    {
        IAnswersGrain answers = client.Grains.GetGrain<IAnswersGrain>("silo-1");
        string name = AnswerRecord.NameOf("address 127.0.0.1", key);
        List<byte> bytes = [];
        while (await answers.ReadAsync(new RecordPlace(name, bytes.Count), TestContext.Current.CancellationToken) is { Bytes.Length: > 0 } page)
            bytes.AddRange(page.Bytes.Span);
        return AnswerRecord.Read(bytes.ToArray(), int.MaxValue);
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();
}
