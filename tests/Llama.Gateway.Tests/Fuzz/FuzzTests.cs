using Llama.Bench.Fuzz;
using Llama.Gateway.Api.Document;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Fuzz;

/// <summary>A few of the requests that <c>Llama.Bench fuzz</c> sends ten thousand of.</summary>
public sealed class FuzzTests
{
    [Fact]
    public async Task Send_MutatedRequests_NoneIsAnsweredWith500OrNotAtAll()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), name: "tinystories");
        using var client = new FuzzClient(gateway.Client.BaseAddress!, new Uri(gateway.RpcUrl));
        var run = new FuzzRun(client, FuzzSeeds.All, seed: 1);
        await run.RunAsync(count: 400, clients: 8, TestContext.Current.CancellationToken);
        Assert.Empty(run.Faults);
        Assert.Equal(400, run.Done);
        Assert.Empty(gateway.Logs.Errors);

        // Neither are all refused nor all taken.
        Assert.True(run.Statuses[200] > 20 && run.Statuses[400] > 20);
        Assert.Contains(run.Statuses.Keys, status => status < -1);
    }

    [Fact]
    public async Task Send_MessageThatCannotBeParsed_AnswersInvalidArgument()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new FuzzClient(gateway.Client.BaseAddress!, new Uri(gateway.RpcUrl));
        foreach (FuzzSeed seed in FuzzSeeds.All.Where(seed => seed.Method == FuzzSeed.Rpc))
            Assert.Equal(new FuzzResult(-1 - 3, null), await client.SendAsync(seed, [0x0A, 0xFF], TestContext.Current.CancellationToken));
        Assert.Empty(gateway.Logs.Errors);
    }

    [Fact]
    public async Task Seeds_Unchanged_AreGoodAndCoverEveryRoute()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), name: "tinystories");
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        Assert.All(RouteDocument.Routes(gateway.Endpoints), route => Assert.Contains(
            FuzzSeeds.All, seed => seed.Method == route.Method && seed.Path.StartsWith(route.Path.Split('{')[0], StringComparison.Ordinal)));
        foreach (FuzzSeed seed in FuzzSeeds.All.Where(seed => seed.Method == "POST" && !seed.Path.StartsWith("/cluster", StringComparison.Ordinal)))
        {
            using var response = await gateway.PostAsync(seed.Path, seed.Body);
            Assert.True(response.IsSuccessStatusCode, $"{seed.Path}: {await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
        }
    }
}
