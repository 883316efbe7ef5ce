using System.Diagnostics;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Clients that go away in the middle of a stream.</summary>
[Collection(SharedAppHost.Name)]
public sealed class ClientGoneTests(SharedAppHost shared) : IDisposable
{
    private const int Choices = 16;
    private readonly GatewayClient client = shared.AppHost.Client;

    public void Dispose() => TestContext.Current.TestOutputHelper?.WriteLine(shared.AppHost.Output);

    [Fact]
    public async Task Stream_ClientGoesAway_ItsSequencesEndAtOnce()
    {
        GoldenTokens golden = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0];
        var request = new TokenRequest { Prompt = golden.Prompt, MaxTokens = 240, Temperature = 1, Choices = Choices };
        var watch = Stopwatch.StartNew();
        await foreach (IReadOnlyList<int> tokens in Stream(request)) Assert.Single(tokens);
        TimeSpan undisturbed = watch.Elapsed;

        await foreach (IReadOnlyList<int> tokens in Stream(request))
        {
            Assert.InRange(await RunningAsync(), 1, Choices);
            break;
        }

        TimeSpan gone = await Wait.UntilAsync(
            "no sequence runs", TimeSpan.FromSeconds(10), async () => await RunningAsync() == 0, () => shared.AppHost.Output);
        TestContext.Current.TestOutputHelper?.WriteLine($"A whole answer took {undisturbed}; one whose client left ended after {gone}");
        Assert.True(gone < undisturbed / 2, $"{gone} after its client left; a whole answer took {undisturbed}");
        Assert.Equal(golden.Greedy, await client.CompleteAsync(golden.Request));
    }

    private async Task<int> RunningAsync() => Assert.Single((await client.StatusAsync()).Pipelines).Running;

    private IAsyncEnumerable<IReadOnlyList<int>> Stream(TokenRequest request) =>
        client.StreamAsync(request, TestContext.Current.CancellationToken);
}
