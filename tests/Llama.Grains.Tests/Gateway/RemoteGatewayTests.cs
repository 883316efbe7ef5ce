using Llama.Grains.Answers;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Model.Sampling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Gateway;

/// <summary>A process that does not own the pipelines serves as the one that does, whatever becomes of that one.</summary>
public sealed class RemoteGatewayTests
{
    private static readonly SiloProcess First = new("gateway-1", "1");
    private static readonly SiloProcess Second = new("gateway-2", "2");

    private readonly TestGatewayGrain grain = new();

    [Fact]
    public async Task GenerateAsync_PipelinesAreOfAnotherModel_IsUnavailable()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(
            cluster, 0.5, new GatewayRoute { Grain = () => grain, Fingerprint = () => "of another model" });

        GenerationException fault =
            await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, Requests(cluster).Last())).Soon();

        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.NotEqual(0, grain.Attached);
    }

    [Fact]
    public async Task GenerateAsync_NextOwnerHasAnotherModel_EndsAndLaterRequestsGoThere()
    {
        await using TestCluster cluster = await StartAsync();
        string? told = null;
        await using RemoteGateway remote = Start(cluster, route: new GatewayRoute { Grain = () => grain, Fingerprint = () => told });
        GenerationRequest request = Requests(cluster).Last();

        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, request, async at =>
        {
            if (at != 10) return;
            told = cluster.Gateway.Fingerprint;
            await grain.ActivateAsync(cluster.Gateway, Second);
        })).Soon();

        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.Equal(150, (await CollectAsync(remote, request).Soon()).Count);
    }

    [Fact]
    public async Task GenerateAsync_OwnerElsewhere_GivesEveryTokenAsTheOwnerDoes()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest[] requests = [.. Requests(cluster)];
        List<string>[] local = await Task.WhenAll(requests.Select(request => CollectAsync(cluster.Gateway, request))).Soon();
        List<string>[] found = await Task.WhenAll(requests.Select(request => CollectAsync(remote, request))).Soon();
        Assert.Equal(local, found);
        Assert.Equal(1, grain.Attached);
    }

    [Fact]
    public async Task GenerateAsync_SomeTokensAreResumed_AnswersWithThemFirst()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest request = Requests(cluster).Last();
        List<GeneratedToken> tokens = [];
        await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token)) tokens.Add(token);
        List<string> found = await CollectAsync(remote, request with { ResumedTokens = [.. tokens.Take(17)] }).Soon();
        Assert.Equal(tokens.Select(Text), found);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task GenerateAsync_OwnerIsLostInTheMiddle_GoesOnAtTheNextWithTheSameTokens(bool hangs)
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest[] requests = [.. Requests(cluster)];
        List<string>[] undisturbed = await Task.WhenAll(requests.Select(request => CollectAsync(remote, request))).Soon();
        int losses = 0;
        List<string>[] disturbed = await Task.WhenAll(requests.Select((request, i) => CollectAsync(remote, request, async at =>
        {
            if (i == 0 && at is 10 or 50) await LoseAsync();
        }))).Soon();
        Assert.Equal(hangs ? 1 : 2, losses);
        Assert.Equal(undisturbed, disturbed);
        Assert.Equal(1 + losses, grain.Attached);

        async Task LoseAsync()
        {
            if (hangs && losses > 0) return;
            losses++;
            if (hangs) grain.Hang();
            else await grain.KillAsync();

            // A process that hangs computes no more, and one that is killed does not either.
            LocalGateway next = await cluster.ReplaceGatewayAsync();
            await grain.ActivateAsync(next, Second);
        }
    }

    [Fact]
    public async Task GenerateAsync_NextOwnerHearsOfTheSilosLater_GoesOnAllTheSame()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest[] requests = [.. Requests(cluster)];
        List<string>[] undisturbed = await Task.WhenAll(requests.Select(request => CollectAsync(remote, request))).Soon();
        string[] silos = ["silo-1", "silo-2"];
        bool lost = false;
        List<string>[] disturbed = await Task.WhenAll(requests.Select((request, i) => CollectAsync(remote, request, async at =>
        {
            if (i != 0 || at != 20) return;
            foreach (string silo in silos) cluster.Silos.Forget(silo);
            await grain.KillAsync();
            await grain.ActivateAsync(await cluster.ReplaceGatewayAsync(), Second);
            lost = true;
            _ = ReturnAsync();
        }))).Soon();
        Assert.True(lost);
        Assert.Equal(undisturbed, disturbed);

        async Task ReturnAsync()
        {
            // When the requests have come to the next owner.
            await Patience.UntilAsync(() => cluster.Status.Pipelines[0].Waiting > 0, () => "Nothing waits.");
            foreach (string silo in silos) cluster.Silos.Return(silo);
        }
    }

    [Fact]
    public async Task GenerateAsync_OwnerIsLostBeforeItAnswered_GoesOnAtTheNext()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest request = Requests(cluster).First();
        List<string> undisturbed = await CollectAsync(remote, request).Soon();
        var submitted = new TaskCompletionSource();
        grain.Submitting = _ =>
        {
            // The submission is lost with the process.
            grain.Submitting = _ => null;
            submitted.SetResult();
            throw new IOException("The connection is lost.");
        };
        Task<List<string>> generating = CollectAsync(remote, request);
        await submitted.Task.Soon();
        await grain.KillAsync();
        await grain.ActivateAsync(await cluster.ReplaceGatewayAsync(), Second);
        Assert.Equal(undisturbed, await generating.Soon());
    }

    [Theory]
    [InlineData("refused")]
    [InlineData("lost")]
    [InlineData("answer lost")]
    public async Task GenerateAsync_SubmissionFailsOnce_IsSubmittedAgain(string how)
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest request = Requests(cluster).First();
        List<string> undisturbed = await CollectAsync(remote, request).Soon();
        int submissions = 0;
        grain.Submitting = _ => Interlocked.Increment(ref submissions) > 1 ? null
            : how == "refused" ? false
            : how == "lost" ? throw new TimeoutException("No answer came.")
            : null;
        grain.Submitted = _ =>
        {
            if (how == "answer lost" && submissions == 1) throw new TimeoutException("No answer came.");
        };
        Assert.Equal(undisturbed, await CollectAsync(remote, request).Soon());
        Assert.Equal(2, submissions);
        await IdleAsync(cluster);
    }

    [Fact]
    public async Task GenerateAsync_NoSubmissionIsTaken_IsUnavailableAfterTheRecoveryTimeout()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster, 0.5);
        grain.Submitting = _ => false;
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, Requests(cluster).First()).Soon());
        Assert.Equal(
            (GenerationError.Unavailable, "The gateway that owns the pipelines takes no requests.", TimeSpan.FromSeconds(1)),
            (fault.Error, fault.Message, fault.RetryAfter));
    }

    [Fact]
    public async Task GenerateAsync_ClientGoesAway_TheSequenceEndsAtTheOwner()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest request = cluster.Model.Request(0) with { MaxTokens = null };
        await foreach (GeneratedToken _ in remote.GenerateAsync(request, Patience.Token))
        {
            Assert.Equal(1, cluster.Status.Pipelines[0].Running);
            break;
        }

        await IdleAsync(cluster);
        Assert.InRange(cluster.Status.Pipelines[0].SampledTokens, 1, 250);

        using var leaving = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GeneratedToken _ in remote.GenerateAsync(request, leaving.Token)) await leaving.CancelAsync();
        });
        await IdleAsync(cluster);
    }

    [Fact]
    public async Task GenerateAsync_RequestThatCanNeverBeServed_IsRefusedAsTheOwnerDoes()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        GenerationRequest request = cluster.Model.Request(0) with { PromptTokens = [1, 1024] };
        GenerationException expected = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(cluster.Gateway, request).Soon());
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, request).Soon());
        Assert.Equal((expected.Error, expected.Message, expected.RetryAfter), (fault.Error, fault.Message, fault.RetryAfter));
    }

    [Fact]
    public async Task GenerateAsync_OwnerWithoutSilos_IsRefusedAtOnceWithItsReason()
    {
        await using var cluster = new TestCluster(TestModel.TinyStories);
        await grain.ActivateAsync(cluster.Gateway, First);
        await cluster.ReasonAsync("Waiting for silos: 0 of 1 are there.");
        await using RemoteGateway remote = Start(cluster);
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, cluster.Model.Request(0)).Soon());
        Assert.Equal((GenerationError.Unavailable, "Waiting for silos: 0 of 1 are there."), (fault.Error, fault.Message));
        Assert.NotNull(fault.RetryAfter);
    }

    [Fact]
    public async Task GenerateAsync_NoOwner_IsUnavailableAfterTheRecoveryTimeout()
    {
        await using var cluster = new TestCluster(TestModel.TinyStories);
        await using RemoteGateway remote = Start(cluster, 0.5);
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, cluster.Model.Request(0)).Soon());
        Assert.Equal((GenerationError.Unavailable, TimeSpan.FromSeconds(1)), (fault.Error, fault.RetryAfter));
        Assert.Contains("is joining its cluster", fault.Message, StringComparison.Ordinal);
        Assert.False(remote.Summary.Ready);
        Assert.Contains("is joining its cluster", remote.Summary.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GenerateAsync_OwnerIsLostAndNobodyFollows_IsUnavailableAfterTheRecoveryTimeout()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster, 0.5);
        await SummaryAsync(remote, ready: true);
        int tokens = 0;
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, Requests(cluster).First(), async at =>
        {
            tokens = at;
            if (at == 7) await grain.KillAsync();
        }).Soon());
        Assert.Equal((GenerationError.Unavailable, TimeSpan.FromSeconds(1)), (fault.Error, fault.RetryAfter));
        Assert.InRange(tokens, 7, 149);
        await SummaryAsync(remote, ready: false);
    }

    [Fact]
    public async Task DisposeAsync_WhileATokenIsAwaited_EndsTheRequest()
    {
        await using TestCluster cluster = await StartAsync();
        RemoteGateway remote = Start(cluster);
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(remote, Requests(cluster).First(), async at =>
        {
            if (at == 7) await remote.DisposeAsync().Soon();
        }).Soon());
        Assert.Equal((GenerationError.Unavailable, "The gateway stops."), (fault.Error, fault.Message));
        await IdleAsync(cluster);
    }

    [Fact]
    public async Task StatusAndPlan_OwnerElsewhere_AreThoseOfTheOwner()
    {
        await using TestCluster cluster = await StartAsync(spares: 1);
        await using RemoteGateway remote = Start(cluster);
        ClusterStatus status = await remote.StatusAsync(Patience.Token).Soon();
        Assert.Equal(
            (1ul, "test", true, 256, "silo-3"), (status.Epoch, status.Model, status.Ready, status.MaxSequenceTokens, status.Standby.Single()));
        Assert.Equal(
            cluster.Status.Pipelines[0].Stages.Select(stage => (stage.Silo, stage.Address, stage.Layers[0], stage.Layers[1], stage.State)),
            status.Pipelines[0].Stages.Select(stage => (stage.Silo, stage.Address, stage.Layers[0], stage.Layers[1], stage.State)));
        ClusterPlan plan = await remote.PlanAsync(Patience.Token).Soon();
        Assert.Equal(cluster.Plan.NeededBytes, plan.NeededBytes);
        Assert.Equal(cluster.Plan.Standby, plan.Standby);
        await SummaryAsync(remote, ready: true);
        Assert.Equal(256, remote.Summary.MaxSequenceTokens);

        await grain.KillAsync();

        // What was heard last stays, and says that it is not so any more.
        ClusterStatus last = await remote.StatusAsync(Patience.Token).Soon();
        Assert.Equal((1ul, false), (last.Epoch, last.Ready));
        Assert.Contains("does not answer", last.Reason, StringComparison.Ordinal);
        Assert.Equal(status.Pipelines[0].Stages.Count, last.Pipelines[0].Stages.Count);
        Assert.Equal(plan.NeededBytes, (await remote.PlanAsync(Patience.Token).Soon()).NeededBytes);
    }

    [Fact]
    public async Task Changes_OwnerElsewhere_AreMadeThereOrRefusedWithItsReason()
    {
        await using TestCluster cluster = await StartAsync(spares: 1);
        await using RemoteGateway remote = Start(cluster);
        await remote.DrainAsync("silo-1", Patience.Token).Soon();
        Assert.Equal(["silo-1"], cluster.Status.Drained);
        await remote.TakeBackAsync("silo-1", Patience.Token).Soon();
        Assert.Equal(["silo-1"], cluster.Status.Standby);
        await remote.RebalanceAsync(Patience.Token).Soon();
        Assert.Empty(cluster.Status.Standby);
        ClusterChangeException fault =
            await Assert.ThrowsAsync<ClusterChangeException>(() => remote.DrainAsync("silo-9", Patience.Token).Soon());
        Assert.Equal(
            (ClusterChangeError.NotFound, "There is no silo 'silo-9'; there are: silo-1, silo-2, silo-3."), (fault.Error, fault.Message));

        await grain.KillAsync();
        fault = await Assert.ThrowsAsync<ClusterChangeException>(() => remote.RebalanceAsync(Patience.Token).Soon());
        Assert.Equal(ClusterChangeError.Unavailable, fault.Error);
    }

    [Fact]
    public async Task Records_OwnerElsewhere_AreKeptByTheSameSiloAndFoundByAll()
    {
        await using TestCluster cluster = await StartAsync();
        await using RemoteGateway remote = Start(cluster);
        await SummaryAsync(remote, ready: true);
        Assert.Equal(cluster.Silos["silo-1"].Member.Instance, remote.Records.Keeper);
        Assert.Equal([3], await remote.Records.AppendAsync([new RecordPart("a", 0, new byte[] { 1, 2, 3 })], Patience.Token).Soon());
        Assert.Equal([1, 2, 3], (await remote.Records.FindAsync("a", Patience.Token).Soon()).ToArray());
        Assert.Equal([1, 2, 3], (await cluster.Gateway.Records.FindAsync("a", Patience.Token).Soon()).ToArray());

        // As long as nobody else owns the pipelines, the silos are where they were.
        await grain.KillAsync();
        await SummaryAsync(remote, ready: false);
        Assert.Equal([1, 2, 3], (await remote.Records.FindAsync("a", Patience.Token).Soon()).ToArray());
    }

    [Fact]
    public async Task Records_BeforeAnOwnerWasHeardOf_AreUnavailable()
    {
        await using var cluster = new TestCluster(TestModel.TinyStories);
        await using RemoteGateway remote = Start(cluster);
        Assert.Null(remote.Records.Keeper);
        Assert.Null(await remote.Records.AppendAsync([], Patience.Token).Soon());
        GenerationException fault =
            await Assert.ThrowsAsync<GenerationException>(() => remote.Records.FindAsync("a", Patience.Token).Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
    }

    /// <summary>Some requests, greedy and seeded.</summary>
    internal static IEnumerable<GenerationRequest> Requests(TestCluster cluster) =>
        Enumerable.Range(0, 6).Select(i => cluster.Model.Request(i % cluster.Model.Golden.Count) with
        {
            MaxTokens = 150,
            Sampling = new SamplingParameters { Temperature = i < 2 ? 0 : 1.1f, TopP = 0.95f },
            Seed = (ulong)i,
            TopLogprobs = i,
        });

    internal static async Task<List<string>> CollectAsync(IGateway gateway, GenerationRequest request, Func<int, Task>? atToken = null)
    {
        var tokens = new List<string>();
        await foreach (GeneratedToken token in gateway.GenerateAsync(request, Patience.Token))
        {
            tokens.Add(Text(token));
            if (atToken is not null) await atToken(tokens.Count);
        }

        return tokens;
    }

    /// <summary>Everything of a token but how much of its prompt was cached.</summary>
    internal static string Text(GeneratedToken token) =>
        $"{Bits(token.Sampled)} of {string.Join(", ", token.TopLogprobs.Select(Bits))} {token.Finish}";

    internal static Task IdleAsync(TestCluster cluster) => Patience.UntilAsync(
        () => cluster.Status.Pipelines[0] is { Running: 0, Waiting: 0 } pipeline && pipeline.FreeBlocks == pipeline.Blocks,
        () => $"{cluster.Status.Pipelines[0].Running} still run.");

    private static string Bits(TokenLogprob token) => $"{token.Token}:{BitConverter.SingleToInt32Bits(token.LogProbability):x8}";

    private static Task SummaryAsync(RemoteGateway remote, bool ready) =>
        Patience.UntilAsync(() => remote.Summary.Ready == ready, () => $"{remote.Summary}");

    private async Task<TestCluster> StartAsync(int spares = 0)
    {
        TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: spares);
        await grain.ActivateAsync(cluster.Gateway, First);
        return cluster;
    }

    private RemoteGateway Start(TestCluster cluster, double recoverySeconds = 30, GatewayRoute? route = null) => new(
        "test", route ?? new GatewayRoute { Grain = () => grain }, cluster.Silos, TimeSpan.FromSeconds(recoverySeconds), TimeProvider.System,
        NullLogger.Instance);
}
