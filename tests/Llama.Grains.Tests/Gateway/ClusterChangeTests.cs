using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Grains.Stages;
using Llama.Model.Sampling;
using Llama.Tests;

namespace Llama.Grains.Tests.Gateway;

/// <summary>Silos are emptied and layers are repartitioned in the midst of sequences, which get the same tokens and log-probabilities.</summary>
public sealed class ClusterChangeTests
{
    [Fact]
    public async Task DrainAsync_SiloWithLayers_ASpareTakesThemAndOnlyItComputesAgain()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, spares: 1);
        StageStatus stage = cluster.Status.Pipelines[0].Stages[1];
        await AssertSameAsync(cluster, () => cluster.Gateway.DrainAsync("silo-2", Patience.Token));
        Assert.Equal(["silo-1", "silo-4", "silo-3"], cluster.Status.Pipelines[0].Stages.Select(s => s.Silo));
        Assert.Equal(["silo-2"], cluster.Status.Drained);
        Assert.Empty(cluster.Status.Standby);
        Recomputation again = Assert.Single(cluster.Recomputations);
        Assert.Equal((stage.Layers[0], stage.Layers[1]), (again.First, again.End));

        // It is not lost, and nobody misses it.
        Assert.Empty(cluster.Logger.Events("Lost"));
        await cluster.KillAsync("silo-2");
        cluster.AddSilo("silo-2");
        await Patience.UntilAsync(() => cluster.Status.Standby.Contains("silo-2"), () => "silo-2 does not stand by.");
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task DrainAsync_NoSpare_TheOthersTakeTheLayersAndRebalanceGivesThemBack()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3);
        string[] before = [.. cluster.Stages()];
        await AssertSameAsync(
            cluster,
            () => cluster.Gateway.DrainAsync("silo-2", Patience.Token),
            () => cluster.Gateway.TakeBackAsync("silo-2", Patience.Token),
            () => cluster.Gateway.RebalanceAsync(Patience.Token));
        Assert.Equal(before, cluster.Stages());

        // Its neighbours took its layers, and computed these alone.
        Assert.Contains(cluster.Recomputations, again => (again.First, again.End) == (2, 4));
        Assert.Empty(cluster.Status.Drained);
    }

    [Fact]
    public async Task DrainAsync_GatewayIsSucceeded_TheNextKnowsUntilTheSiloIsTakenBackOrAnotherProcess()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2, spares: 1);
        await cluster.Gateway.DrainAsync("silo-1", Patience.Token).Soon();
        await cluster.SucceedGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(["silo-1"], cluster.Status.Drained);
        Assert.Equal(["silo-2", "silo-3"], cluster.Status.Pipelines[0].Stages.Select(stage => stage.Silo));

        await cluster.Gateway.TakeBackAsync("silo-1", Patience.Token).Soon();
        await cluster.Gateway.DrainAsync("silo-2", Patience.Token).Soon();
        await cluster.SucceedGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(["silo-2"], cluster.Status.Drained);
        Assert.Equal(["silo-1", "silo-3"], cluster.Status.Pipelines[0].Stages.Select(stage => stage.Silo));

        await cluster.KillAsync("silo-2");
        cluster.AddSilo("silo-2");
        await cluster.SucceedGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Empty(cluster.Status.Drained);
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task DrainAsync_GatewayIsSucceededByOneThatHearsOfTheSilosLater_TheNextKnowsAllTheSame()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2, spares: 1);
        await cluster.Gateway.DrainAsync("silo-1", Patience.Token).Soon();
        await cluster.RestartGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(["silo-1"], cluster.Status.Drained);
        Assert.Equal(["silo-2", "silo-3"], cluster.Status.Pipelines[0].Stages.Select(stage => stage.Silo));
        Assert.True(cluster.Silos["silo-1"].Member.Drained);

        // One that was taken back stays so, though it goes and comes.
        await cluster.Gateway.TakeBackAsync("silo-1", Patience.Token).Soon();
        cluster.Silos.Forget("silo-1");
        await Patience.UntilAsync(() => cluster.Status.Standby.Count == 0, () => "silo-1 stands by still.");
        cluster.Silos.Return("silo-1");
        await Patience.UntilAsync(() => cluster.Status.Standby.SequenceEqual(["silo-1"]), () => "silo-1 does not stand by.");
        await Patience.UntilAsync(() => !cluster.Silos["silo-1"].Member.Drained, () => "silo-1 does not know.");
    }

    [Fact]
    public async Task DrainAsync_SiloThatTheClusterLoses_IsDrainedWhenItIsBackAndAnotherProcessIsNot()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2, spares: 1);
        await cluster.Gateway.DrainAsync("silo-1", Patience.Token).Soon();
        cluster.Silos.Forget("silo-1");
        await Patience.UntilAsync(() => cluster.Status.Drained.Count == 0, () => "silo-1 is there still.");
        cluster.Silos.Return("silo-1");
        await Patience.UntilAsync(() => cluster.Status.Drained.SequenceEqual(["silo-1"]), () => "silo-1 is not drained.");
        Assert.Empty(cluster.Status.Standby);

        // Its process says so to the gateway that comes after this one.
        Assert.True(cluster.Silos["silo-1"].Member.Drained);
        await cluster.SucceedGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(["silo-1"], cluster.Status.Drained);

        cluster.Silos.Forget("silo-1");
        cluster.Silos.Return("silo-1", "another");
        await Patience.UntilAsync(() => cluster.Status.Standby.SequenceEqual(["silo-1"]), () => "silo-1 does not stand by.");
        Assert.Empty(cluster.Status.Drained);
    }

    [Fact]
    public async Task DrainAsync_SpareAndLastSilo_SaysWhatKeepsItFromBeingEmptied()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 1, spares: 1);
        ulong epoch = cluster.Status.Epoch;
        await cluster.Gateway.DrainAsync("silo-2", Patience.Token).Soon();
        Assert.Equal(["silo-2"], cluster.Status.Drained);
        ClusterChangeException fault =
            await Assert.ThrowsAsync<ClusterChangeException>(() => cluster.Gateway.DrainAsync("silo-1", Patience.Token).Soon());
        Assert.Equal((ClusterChangeError.Refused, "No other silo is there to take its layers."), (fault.Error, fault.Message));
        Assert.Equal(["silo-2"], cluster.Status.Drained);
        fault = await Assert.ThrowsAsync<ClusterChangeException>(() => cluster.Gateway.DrainAsync("silo-9", Patience.Token).Soon());
        Assert.Equal(
            (ClusterChangeError.NotFound, "There is no silo 'silo-9'; there are: silo-1, silo-2."), (fault.Error, fault.Message));

        // One that was taken back is a spare again.
        await cluster.Gateway.TakeBackAsync("silo-2", Patience.Token).Soon();
        Assert.Equal(epoch, cluster.Status.Epoch);
        await cluster.Gateway.DrainAsync("silo-1", Patience.Token).Soon();
        Assert.Equal(["silo-2 0-4"], cluster.Stages());
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task DrainAsync_SpareThatCannotLoad_ThePipelineGoesOnAsItWasAndTheNextIsTaken()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(TestModel.Llama3.Folder);
        File.Delete(folder["model-00002-of-00002.safetensors"]);
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2);
        cluster.AddSilo("silo-3", folder.Path);
        cluster.AddSilo("silo-4");
        await Patience.UntilAsync(() => cluster.Status.Standby.Count == 2, () => "Two stand by.");
        ClusterChangeException fault =
            await Assert.ThrowsAsync<ClusterChangeException>(() => cluster.Gateway.DrainAsync("silo-2", Patience.Token).Soon());
        Assert.Contains("silo-3 cannot hold layers 2 to 3", fault.Message, StringComparison.Ordinal);
        Assert.Equal(["silo-1 0-2", "silo-2 2-4"], cluster.Stages());
        Assert.Empty(cluster.Status.Drained);
        await cluster.AssertGoldenAsync();
        await cluster.Gateway.DrainAsync("silo-2", Patience.Token).Soon();
        Assert.Equal(["silo-1 0-2", "silo-4 2-4"], cluster.Stages());
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task RebalanceAsync_SiloThatCameLater_TakesLayersOver()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        ulong epoch = cluster.Status.Epoch;
        Assert.Equal(["silo-3"], cluster.Plan.Standby.Select(silo => silo.Silo));
        double before = cluster.Plan.Pipelines[0].PredictedDecodeSeconds;
        await AssertSameAsync(cluster, () => cluster.Gateway.RebalanceAsync(Patience.Token));

        // It takes the place where the others keep most layers; nobody has a log of what goes into its first.
        Assert.Equal(["silo-1 0-2", "silo-3 2-4", "silo-2 4-6"], cluster.Stages());
        Assert.Contains(cluster.Recomputations, again => (again.First, again.End) == (0, 4));
        Assert.Empty(cluster.Status.Standby);
        PlannedPipeline plan = cluster.Plan.Pipelines[0];
        Assert.True(plan.PredictedDecodeSeconds < before);
        Assert.InRange(plan.IdealDecodeSeconds, 0, plan.PredictedDecodeSeconds);

        // There is nothing left to gain.
        ulong balanced = cluster.Status.Epoch;
        Assert.True(balanced > epoch);
        await cluster.Gateway.RebalanceAsync(Patience.Token).Soon();
        Assert.Equal(balanced, cluster.Status.Epoch);
    }

    [Fact]
    public async Task DrainAsync_SiloDiesMeanwhile_IsDoneWhenTheNextPipelineWorks()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, spares: 2);
        await AssertSameAsync(cluster, async () =>
        {
            Task drain = cluster.Gateway.DrainAsync("silo-2", Patience.Token);
            await cluster.KillAsync("silo-3");
            await drain;
        });
        Assert.Equal(["silo-1", "silo-4", "silo-5"], cluster.Status.Pipelines[0].Stages.Select(s => s.Silo).Order());
        Assert.Equal(["silo-2"], cluster.Status.Drained);
    }

    [Fact]
    public async Task DrainAsync_SiloIsSeenToLeaveBeforeItsLinksEnd_IsDoneAllTheSame()
    {
        using var loads = new ManualResetEventSlim();
        using var mayLoad = new ManualResetEventSlim();
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3);
        cluster.AddSilo("silo-4", loading: () =>
        {
            loads.Set();
            mayLoad.Wait(Patience.Token);
        });
        cluster.AddSilo("silo-5");
        await Patience.UntilAsync(() => cluster.Status.Standby.Count == 2, () => "The others do not stand by.");
        SiloNode gone = cluster.Silos["silo-3"];
        await AssertSameAsync(cluster, async () =>
        {
            Task drain = cluster.Gateway.DrainAsync("silo-2", Patience.Token);
            await Patience.UntilAsync(() => loads.IsSet, () => "Nobody loads for it.");
            cluster.Silos.Remove("silo-3");
            mayLoad.Set();
            await drain;
        });
        Assert.Equal(["silo-1", "silo-4", "silo-5"], cluster.Status.Pipelines[0].Stages.Select(s => s.Silo).Order());
        Assert.Equal(["silo-2"], cluster.Status.Drained);
        await gone.DisposeAsync();
    }

    [Fact]
    public async Task DrainAsync_LastOfTheSilos_OthersOfTheSameMomentAreToldToo()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2);
        Task[] drains = [cluster.Gateway.DrainAsync("silo-1", Patience.Token), cluster.Gateway.DrainAsync("silo-2", Patience.Token)];
        await Task.WhenAll(drains).ContinueWith(_ => { }, Patience.Token, TaskContinuationOptions.None, TaskScheduler.Default).Soon();
        Assert.Contains(drains, drain => drain.IsFaulted);
        Assert.NotEmpty(cluster.Stages());
        await cluster.ReadyAsync();
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Plan_NoRoom_SaysHowManyBytesAreMissing()
    {
        // A block of four layers takes 16 KiB.
        await using var cluster = new TestCluster(TestModel.Llama3, kvMemory: 1000);
        cluster.AddSilo("silo-1");
        await cluster.ReasonAsync("has no room for KV");
        PlannedPipeline pipeline = cluster.Plan.Pipelines[0];
        Assert.Equal((4 * 4096) - 1000, pipeline.MissingBytes);
        Assert.Equal(cluster.Status.Reason, pipeline.Reason);
        Assert.Equal(["silo-1"], cluster.Plan.Standby.Select(silo => silo.Silo));
    }

    [Fact]
    public async Task Plan_Pipeline_SaysWhatItWasMadeFrom()
    {
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2, ranges: [new LayerSpan(0, 1), new LayerSpan(1, 4)]);
        cluster.AddSilo("silo-1", profile: "another");
        cluster.AddSilo("silo-2", fingerprint: "beef");
        await cluster.ReasonAsync("is refused");

        // The other one's handshake may be answered a moment later.
        await cluster.ReasonAsync("Waiting for silos: 1 of 2");
        Assert.Contains("Silo silo-2 is refused", Assert.Single(cluster.Plan.Refused), StringComparison.Ordinal);
        Assert.Contains("Waiting for silos: 1 of 2", cluster.Plan.Pipelines[0].Reason, StringComparison.Ordinal);
        cluster.AddSilo("silo-3");
        cluster.AddSilo("silo-4");
        await cluster.ReadyAsync();
        await cluster.AssertGoldenAsync();
        ClusterPlan plan = cluster.Plan;
        PlannedPipeline pipeline = Assert.Single(plan.Pipelines);
        Assert.Equal(("--ranges", "silo-4"), (pipeline.CutBy, pipeline.SlowestStage));
        Assert.Equal(["silo-1"], plan.Standby.Select(silo => silo.Silo));
        Assert.Equal([(0, 1), (1, 4)], pipeline.Stages.Select(stage => (stage.Layers[0], stage.Layers[1])));
        Assert.Equal(cluster.Status.Pipelines[0].Stages.Select(s => s.WeightBytes), pipeline.Stages.Select(s => s.WeightBytes));

        // 16 positions of a layer: keys and values of 4 heads of 8 numbers; the last stage keeps no log.
        Assert.Equal([pipeline.KvBlocks * 4096L, pipeline.KvBlocks * 4096L * 3], pipeline.Stages.Select(stage => stage.KvBytes));
        Assert.Equal([pipeline.KvBlocks * 16L * TestModel.Llama3.Config.Dim * 4, 0], pipeline.Stages.Select(stage => stage.LogBytes));
        Assert.All(pipeline.Stages, stage => Assert.True(stage.ActivationBytes > 256 * 32 * 4));
        Assert.Equal(pipeline.Stages.Max(stage => stage.PredictedDecodeSeconds), pipeline.PredictedDecodeSeconds);
        Assert.True(pipeline.Stages[1].PredictedDecodeSeconds > 3 * pipeline.Stages[0].PredictedDecodeSeconds);
        Assert.True(pipeline.MeasuredDecodeSeconds > 0);
        Assert.Equal((null, null), (pipeline.Reason, pipeline.MissingBytes));
    }

    /// <summary>Some sequences, greedy and seeded, run once undisturbed and once while the cluster is changed.</summary>
    private static async Task AssertSameAsync(TestCluster cluster, params Func<Task>[] changes)
    {
        GenerationRequest[] requests =
        [
            .. Enumerable.Range(0, 5).Select(i => cluster.Model.Request(i % cluster.Model.Golden.Count) with
            {
                MaxTokens = 150,
                Sampling = new SamplingParameters { Temperature = i < 2 ? 0 : 1 },
                Seed = (ulong)i,
            }),
        ];
        List<int>[] undisturbed = await Task.WhenAll(requests.Select(request => cluster.GenerateAsync(request))).Soon();
        Assert.All(undisturbed, tokens => Assert.Equal(150, tokens.Count));

        int next = 0;
        var first = new TaskCompletionSource();
        Task changing = ChangeAsync();
        List<int>[] disturbed = await Task.WhenAll(requests.Select((request, i) => cluster.GenerateAsync(request, at =>
        {
            if (i == 0 && at == 30) first.TrySetResult();
            return Task.CompletedTask;
        }))).Soon();
        await changing.Soon();
        Assert.Equal(changes.Length, next);
        Assert.Equal(undisturbed, disturbed);

        async Task ChangeAsync()
        {
            await first.Task;
            foreach (Func<Task> change in changes)
            {
                await change();
                next++;
            }
        }
    }
}
