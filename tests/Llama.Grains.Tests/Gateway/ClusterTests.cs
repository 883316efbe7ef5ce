using Llama.Grains.Generation;
using Llama.Grains.Scheduling;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Gateway;

/// <summary>The engine as a whole, in one process: real models, real links.</summary>
public sealed class ClusterTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task GenerateAsync_ShippedModelOnSilos_EqualsTheGoldenResults(int silos)
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, silos);
        Assert.Equal(silos, cluster.Status.Pipelines[0].Stages.Count);
        await cluster.AssertGoldenAsync();
    }

    [Theory]
    [InlineData("code-llama/meta", 3)]
    [InlineData("llama-1/hf", 2)]
    [InlineData("llama-2-gqa/meta", 4)]
    [InlineData("llama-3/meta", 2)]
    [InlineData("llama-3.1/hf", 3)]
    [InlineData("llama-3.2-tied/hf", 3)]
    public async Task GenerateAsync_FamilyOnSilos_EqualsTheGoldenResults(string fixture, int silos)
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Fixture(fixture), silos);
        await cluster.AssertGoldenAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task GenerateAsync_ManyAtOnce_EachGetsItsGoldenTokens(int silos)
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, silos);
        List<int>[] generated = await Task.WhenAll(
            Enumerable.Range(0, 12).Select(i => cluster.GenerateAsync(cluster.Model.Request(i % cluster.Model.Golden.Count)))).Soon();
        for (int i = 0; i < generated.Length; i++) Assert.Equal(cluster.Model.Golden[i % cluster.Model.Golden.Count].Greedy, generated[i]);
        await Patience.UntilAsync(
            () => cluster.Status.Pipelines[0] is { Running: 0, Waiting: 0 }, () => $"{cluster.Status.Pipelines[0].Running} still run");
    }

    [Fact]
    public async Task GenerateAsync_SampledWithASeed_IsTheSameOnAnyNumberOfSilosAndInAnyCompany()
    {
        var sampling = new SamplingParameters { Temperature = 1.2f, TopP = 0.95f };
        List<GenerationRequest> requests =
        [
            .. Enumerable.Range(0, 6).Select(
                i => TestModel.TinyStories.Request(0) with { Sampling = sampling, Seed = (ulong)i, TopLogprobs = i }),
        ];
        List<List<int>> alone = [];
        await using (TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 1))
        {
            foreach (GenerationRequest request in requests) alone.Add(await cluster.GenerateAsync(request).Soon());
        }

        await using (TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3))
            Assert.Equal(alone, await Task.WhenAll(requests.Select(request => cluster.GenerateAsync(request))).Soon());
        Assert.Equal(6, alone.Select(tokens => string.Join(' ', tokens)).Distinct().Count());
    }

    [Fact]
    public async Task GenerateAsync_TopLogprobs_AreTheMostProbableAndIncludeTheGreedyToken()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2);
        GenerationRequest request = cluster.Model.Request(0) with { TopLogprobs = 4 };
        await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token))
        {
            Assert.Equal(4, token.TopLogprobs.Count);
            Assert.Equal(token.Sampled, token.TopLogprobs[0]);
            Assert.Equal(token.TopLogprobs.OrderByDescending(c => c.LogProbability), token.TopLogprobs);
        }
    }

    [Fact]
    public async Task GenerateAsync_ClientGoesAway_TheSequenceEnds()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        GenerationRequest request = cluster.Model.Request(0) with { MaxTokens = null };
        await foreach (GeneratedToken _ in cluster.Gateway.GenerateAsync(request, Patience.Token)) break;
        await Patience.UntilAsync(() => cluster.Status.Pipelines[0].Running == 0, () => "it still runs");
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task GenerateAsync_WithoutALimit_EndsWithTheContext()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        GenerationRequest request = cluster.Model.Request(0) with { MaxTokens = null };
        List<int> generated = await cluster.GenerateAsync(request).Soon();
        Assert.Equal(256, request.PromptTokens.Count + generated.Count);
        Assert.Equal(256, cluster.Status.MaxSequenceTokens);
        Assert.Equal(cluster.Model.Golden[0].Greedy, generated.Take(cluster.Model.Golden[0].Greedy.Length));
    }

    [Theory]
    [InlineData("silo-1")]
    [InlineData("silo-2")]
    [InlineData("silo-3")]
    public async Task GenerateAsync_SiloDiesInTheMiddle_ASpareTakesOverAndTheTokensAreTheSame(string victim)
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, spares: 1);
        Assert.Equal(["silo-4"], cluster.Status.Standby);
        ulong epoch = cluster.Status.Epoch;
        Task<List<int>> other = cluster.GenerateAsync(cluster.Model.Request(1));
        List<int> generated = await cluster.GenerateAsync(
            cluster.Model.Request(0), at => at == 7 ? cluster.KillAsync(victim) : Task.CompletedTask).Soon();
        Assert.Equal(cluster.Model.Golden[0].Greedy, generated);
        Assert.Equal(cluster.Model.Golden[1].Greedy, await other.Soon());
        await cluster.ReadyAsync();
        Assert.True(cluster.Status.Epoch > epoch);
        Assert.Equal(3, cluster.Stages().Count());
        Assert.DoesNotContain(cluster.Stages(), stage => stage.StartsWith(victim, StringComparison.Ordinal));
        Assert.Empty(cluster.Status.Standby);
    }

    [Fact]
    public async Task GenerateAsync_SiloDiesAndNoneIsSpare_TheOthersTakeItsLayersAfterAWhile()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, waitSeconds: 0.3);
        List<int> generated = await cluster.GenerateAsync(
            cluster.Model.Request(0), at => at == 7 ? cluster.KillAsync("silo-2") : Task.CompletedTask).Soon();
        Assert.Equal(cluster.Model.Golden[0].Greedy, generated);
        Assert.Equal(["silo-1", "silo-3"], cluster.Status.Pipelines[0].Stages.Select(stage => stage.Silo));
    }

    [Fact]
    public async Task GenerateAsync_SiloDiesAndComesBack_GoesOnWithIt()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        List<int> generated = await cluster.GenerateAsync(cluster.Model.Request(0), async at =>
        {
            if (at is not (7 or 30)) return;
            await cluster.KillAsync("silo-1");
            await cluster.ReasonAsync("Waiting for silos: 1 of 2 are there.");
            cluster.AddSilo("silo-1");
        }).Soon();
        Assert.Equal(cluster.Model.Golden[0].Greedy, generated);
    }

    [Fact]
    public async Task GenerateAsync_DeadSiloThatTheClusterStillLists_DoesNotKeepASpareFromItsPlace()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        List<int> generated = await cluster.GenerateAsync(
            cluster.Model.Request(0), at => at == 7 ? cluster.DisconnectAsync("silo-1") : Task.CompletedTask).Soon();
        Assert.Equal(cluster.Model.Golden[0].Greedy, generated);
        Assert.Equal(["silo-3", "silo-2"], cluster.Status.Pipelines[0].Stages.Select(stage => stage.Silo));
        Assert.Empty(cluster.Status.Standby);
    }

    [Fact]
    public async Task GenerateAsync_SiloThatTheClusterLosesInTheMiddle_KeepsItsPlaceAndIsNoSpareWhenItIsBack()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        string[] before = [.. cluster.Stages()];
        List<int> generated = await cluster.GenerateAsync(cluster.Model.Request(0), async at =>
        {
            if (at == 7)
            {
                cluster.Silos.Forget("silo-1");
                await Patience.UntilAsync(() => !cluster.PlannedWith.Contains("silo-1"), () => "silo-1 is planned with.");
            }
        }).Soon();
        Assert.Equal(cluster.Model.Golden[0].Greedy, generated);
        await cluster.AssertGoldenAsync();
        AssertUnchanged();

        // Nor is another process of its name, which cannot have its place while its links are open.
        foreach (string? instance in new[] { null, "another" })
        {
            if (instance is not null) cluster.Silos.Forget("silo-1");
            cluster.Silos.Return("silo-1", instance);
            cluster.Silos.Forget("silo-3");
            await Patience.UntilAsync(() => cluster.Status.Standby.Count == 0, () => "silo-3 stands by still.");
            cluster.Silos.Return("silo-3");
            await Patience.UntilAsync(() => cluster.Status.Standby.Count > 0, () => "silo-3 does not stand by.");
            Assert.Equal(["silo-3"], cluster.Status.Standby);
            AssertUnchanged();
        }

        generated = await cluster.GenerateAsync(
            cluster.Model.Request(0), at => at == 7 ? cluster.KillAsync("silo-1") : Task.CompletedTask).Soon();
        Assert.Equal(cluster.Model.Golden[0].Greedy, generated);
        Assert.Equal(["silo-3", "silo-2"], cluster.Status.Pipelines[0].Stages.Select(stage => stage.Silo));

        void AssertUnchanged()
        {
            Assert.Equal(1ul, cluster.Status.Epoch);
            Assert.Equal(before, cluster.Stages());
        }
    }

    [Fact]
    public async Task GenerateAsync_NobodyTakesOver_IsUnavailableAfterTheRecoveryTimeout()
    {
        await using var cluster = new TestCluster(
            TestModel.TinyStories, silos: 1, limits: new SchedulerLimits { RecoveryTimeout = TimeSpan.FromSeconds(0.5) });
        cluster.AddSilo("silo-1");
        await cluster.ReadyAsync();
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => cluster.GenerateAsync(
            cluster.Model.Request(0), at => at == 7 ? cluster.KillAsync("silo-1") : Task.CompletedTask).Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.Contains("No pipeline was ready", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Own_AnotherGatewayOnTheSameSilos_TakesOverUnderEpochsThatThePredecessorDoesNotReach(bool seesSilosAtOnce)
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        await cluster.AssertGoldenAsync();
        ulong epoch = cluster.Status.Epoch;
        await (seesSilosAtOnce ? cluster.SucceedGatewayAsync() : cluster.RestartGatewayAsync());
        await cluster.ReadyAsync();
        Assert.InRange(cluster.Status.Epoch, epoch + (1 << 16), epoch + (1 << 17));
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task GenerateAsync_TwoReplicas_APromptGoesWhereItIsCachedThoughTheOtherIsIdle()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, replicas: 2);
        GenerationRequest request = cluster.Model.Request(0) with { PromptTokens = [.. Enumerable.Range(300, 60)], MaxTokens = 3 };
        await cluster.GenerateAsync(request).Soon();
        int replica = -1;
        using var leaving = new CancellationTokenSource();
        await foreach (GeneratedToken _ in cluster.Gateway.GenerateAsync(cluster.Model.Request(1) with { MaxTokens = 200 }, leaving.Token))
        {
            // While the replica that has the prompt works, and the other does not.
            replica = cluster.Status.Pipelines.Single(pipeline => pipeline.Running > 0).Replica;
            await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token)) Assert.Equal(59, token.CachedTokens);
            break;
        }

        Assert.Equal(0, replica);
    }

    [Fact]
    public async Task GenerateAsync_TwoReplicas_ServeTogetherAndOneOutlivesTheOther()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 4, replicas: 2);
        string[] first = [.. cluster.Status.Pipelines[0].Stages.Select(stage => stage.Silo)];
        string[] second = [.. cluster.Status.Pipelines[1].Stages.Select(stage => stage.Silo)];
        Assert.Equal((2, 2), (first.Length, second.Length));
        Assert.Equal(["silo-1", "silo-2", "silo-3", "silo-4"], first.Concat(second).Order());
        var ran = new HashSet<int>();
        List<int>[] generated =
            await Task.WhenAll(Enumerable.Range(0, 8).Select(i => cluster.GenerateAsync(cluster.Model.Request(i % 2), _ =>
        {
            lock (ran) ran.UnionWith(cluster.Status.Pipelines.Where(pipeline => pipeline.Running > 0).Select(pipeline => pipeline.Replica));
            return Task.CompletedTask;
        }))).Soon();
        for (int i = 0; i < 8; i++) Assert.Equal(cluster.Model.Golden[i % 2].Greedy, generated[i]);
        Assert.Equal([0, 1], ran.Order());

        await cluster.KillAsync(first[0]);
        await Patience.UntilAsync(() => cluster.Status.Pipelines[0].Stages.Count == 0, () => "replica 0 has lost its pipeline");
        Assert.True(cluster.Status.Ready);
        await cluster.AssertGoldenAsync();
        await Patience.UntilAsync(() => cluster.Status.Standby.SequenceEqual([first[1]]), () => "the one that is left stands by");
    }
}
