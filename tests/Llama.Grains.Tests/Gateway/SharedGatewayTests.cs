using Llama.Grains.Answers;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Gateway;

/// <summary>Two gateway processes of one cluster: requests at either go on with the same tokens wherever the pipelines go.</summary>
public sealed class SharedGatewayTests
{
    private readonly TestGatewayGrain grain = new();

    [Fact]
    public async Task GenerateAsync_PipelinesMoveBackAndForth_RequestsOfBothProcessesGetTheSameTokens()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        await using Pair pair = StartPair(cluster);
        (Process first, Process second) = pair;
        await MoveAsync(first, from: second);
        GenerationRequest[] requests = [.. RemoteGatewayTests.Requests(cluster)];
        List<string>[] undisturbed = await UndisturbedAsync(first, requests);
        Assert.All(undisturbed, tokens => Assert.Equal(150, tokens.Count));

        int moves = 0;
        Task<List<string>>[] disturbed =
        [
            .. requests.Select((request, i) => RemoteGatewayTests.CollectAsync(
                i % 2 == 0 ? first.Shared : second.Shared, request, async at =>
                {
                    if (i != 0 || at is not (10 or 50 or 90)) return;
                    await (moves++ % 2 == 0 ? MoveAsync(second, from: first) : MoveAsync(first, from: second));
                })),
        ];
        Assert.Equal(undisturbed, await Task.WhenAll(disturbed).Soon());
        Assert.Equal(3, moves);
        Assert.Equal((false, true), (first.Local.Owns, second.Local.Owns));

        // Nothing is left behind in either.
        await Patience.UntilAsync(
            () => new[] { first, second }.All(process => process.Local.Status.Pipelines[0] is { Running: 0, Waiting: 0 }),
            () => "Some requests are there still.");
    }

    [Fact]
    public async Task GenerateAsync_PipelinesAreLeftBeforeItIsKnownWhoOwnsThem_RequestsGoOnAtTheNext()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        await using Pair pair = StartPair(cluster);
        (Process first, Process second) = pair;
        await MoveAsync(first, from: second);
        GenerationRequest[] requests = [.. RemoteGatewayTests.Requests(cluster)];
        List<string>[] undisturbed = await UndisturbedAsync(first, requests);
        bool moved = false;
        List<string>[] disturbed = await Task.WhenAll(requests.Select((request, i) => RemoteGatewayTests.CollectAsync(
            first.Shared, request, async at =>
            {
                if (i != 0 || at != 20) return;
                await grain.KillAsync();
                first.Local.Leave("This process has left the cluster.");
                await Patience.UntilAsync(() => first.Local.Status.Pipelines[0].Stages.Count == 0, () => "It has its pipeline still.");
                await MoveAsync(second, from: first);
                moved = true;
            }))).Soon();
        Assert.True(moved);
        Assert.Equal(undisturbed, disturbed);
    }

    [Fact]
    public async Task GenerateAsync_RequestsComeWhileThePipelinesMove_NoneFailsAndNoneWaitsForThePipelinesThatWereLeft()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        await using Pair pair = StartPair(cluster);
        (Process first, Process second) = pair;
        await MoveAsync(first, from: second);
        GenerationRequest request = cluster.Model.Request(0) with { MaxTokens = 8 };
        List<string> expected = await RemoteGatewayTests.CollectAsync(first.Shared, request).Soon();
        using var done = new CancellationTokenSource();
        Task<int>[] clients = [.. Enumerable.Range(0, 8).Select(i => AskAsync(i % 2 == 0 ? first.Shared : second.Shared))];
        for (int i = 0; i < 6; i++) await (i % 2 == 0 ? MoveAsync(second, from: first) : MoveAsync(first, from: second));
        await done.CancelAsync();
        Assert.All(await Task.WhenAll(clients).Soon(), count => Assert.InRange(count, 2, int.MaxValue));

        async Task<int> AskAsync(SharedGateway gateway)
        {
            int count = 0;
            for (; !done.IsCancellationRequested; count++)
                Assert.Equal(expected, await RemoteGatewayTests.CollectAsync(gateway, request).Soon());
            return count;
        }
    }

    [Fact]
    public async Task GenerateAsync_ClientGoesAway_TheSequenceEndsWhereItIs()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        await using Pair pair = StartPair(cluster);
        (Process first, Process second) = pair;
        await MoveAsync(first, from: second);
        foreach (SharedGateway gateway in new[] { first.Shared, second.Shared })
        {
            using var leaving = new CancellationTokenSource();
            GenerationRequest request = cluster.Model.Request(0) with { MaxTokens = null };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                await foreach (GeneratedToken _ in gateway.GenerateAsync(request, leaving.Token)) await leaving.CancelAsync();
            });
            await RemoteGatewayTests.IdleAsync(cluster);
        }
    }

    [Fact]
    public async Task StatusSummaryRecordsAndChanges_AtEitherProcess_AreThoseOfTheOwner()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        await using Pair pair = StartPair(cluster);
        (Process first, Process second) = pair;
        foreach ((Process owner, Process other, string silo) in new[] { (second, first, "silo-1"), (first, second, "silo-2") })
        {
            await MoveAsync(owner, from: other);
            await Patience.UntilAsync(() => owner.Shared.Summary.Ready && other.Shared.Summary.Ready, () => $"{other.Shared.Summary}");
            foreach (SharedGateway gateway in new[] { owner.Shared, other.Shared })
            {
                ClusterStatus status = await gateway.StatusAsync(Patience.Token).Soon();
                Assert.Equal((owner.Local.Status.Epoch, true), (status.Epoch, status.Ready));
                Assert.Equal(owner.Local.Plan.NeededBytes, (await gateway.PlanAsync(Patience.Token).Soon()).NeededBytes);
                Assert.Equal(owner.Local.Records.Keeper, gateway.Records.Keeper);
                Assert.Equal(256, gateway.Summary.MaxSequenceTokens);
            }

            await other.Shared.DrainAsync(silo, Patience.Token).Soon();

            // The other may have taken the silos once more, before it heard that it is not to.
            await Patience.UntilAsync(() => owner.Local.Status.Drained.SequenceEqual([silo]), () => $"{silo} is not drained.");
            await owner.Shared.TakeBackAsync(silo, Patience.Token).Soon();
            await Patience.UntilAsync(() => owner.Local.Status.Drained.Count == 0, () => $"{silo} is drained still.");
        }
    }

    /// <summary>The grain is activated in a process, and both have heard of it.</summary>
    private async Task MoveAsync(Process to, Process from)
    {
        await grain.ActivateAsync(to.Local, to.Self);
        await Patience.UntilAsync(() => to.Local.Owns && !from.Local.Owns, () => "The pipelines were not left.");
    }

    private static Task<List<string>[]> UndisturbedAsync(Process process, GenerationRequest[] requests) =>
        Task.WhenAll(requests.Select(request => RemoteGatewayTests.CollectAsync(process.Shared, request))).Soon();

    private Pair StartPair(TestCluster cluster) =>
        new(Start(cluster, cluster.Gateway, "gateway-1"), Start(cluster, cluster.StartGateway(), "gateway-2"));

    private Process Start(TestCluster cluster, LocalGateway local, string name)
    {
        var self = new SiloProcess(name, $"{Guid.NewGuid()}");
        return new Process(self, local, new SharedGateway(
            local,
            heard => new RemoteGateway(
                "test", new GatewayRoute { Grain = () => grain }, cluster.Silos, TimeSpan.FromSeconds(30), TimeProvider.System, NullLogger.Instance, heard),
            self));
    }

    /// <summary>A gateway process; the cluster of the test disposes of what is in it.</summary>
    private sealed record Process(SiloProcess Self, LocalGateway Local, SharedGateway Shared) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await Shared.DisposeAsync().Soon();
    }

    private sealed record Pair(Process First, Process Second) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Second.DisposeAsync();
            await First.DisposeAsync();
        }
    }
}
