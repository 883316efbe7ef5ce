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

    /// <summary>
    /// Has a stage compute in short spells until this many tokens of an answer are kept, and leaves it stopped: whoever is killed then is killed
    /// in the middle of the answer, however fast the machine is.
    /// </summary>
    /// <param name="stage">A silo with layers, not that which keeps the records; it was stopped before the request was sent.</param>
    /// <param name="key">The answer's Idempotency-Key.</param>
    /// <param name="tokens">The tokens of all its choices.</param>
    /// <param name="output">What the processes have said, for the failure's message.</param>
    public async Task StopWhenKeptAsync(RunningProgram stage, string key, int tokens, Func<string> output)
    {
        await Wait.UntilAsync($"{tokens} tokens of '{key}' are kept", Deadline, IsKeptAsync, output);

        async Task<bool> IsKeptAsync()
        {
            // The call may go through the stopped silo, too.
            Task<AnswerRecord?> read = ReadAsync(key);
            do await ProcessTable.RunForASpellAsync(stage.Id);
            while (!read.IsCompleted);
            return (await read)?.TokenCount >= tokens;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();
}
