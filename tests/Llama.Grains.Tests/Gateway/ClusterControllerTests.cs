using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Tests;

namespace Llama.Grains.Tests.Gateway;

/// <summary>Which silos get which layers, and what the cluster says when that does not work.</summary>
public sealed class ClusterControllerTests
{
    [Fact]
    public async Task Status_LateSilo_IsWaitedForAndThenUsed()
    {
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2);
        await cluster.ReasonAsync("Waiting for silos: 0 of 2 are there.");
        Assert.False(cluster.Status.Ready);
        Assert.Equal(0ul, cluster.Status.Epoch);
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => cluster.GenerateAsync(cluster.Model.Request(0)));
        Assert.Equal((GenerationError.Unavailable, "Waiting for silos: 0 of 2 are there."), (fault.Error, fault.Message));

        cluster.AddSilo("silo-2");
        await cluster.ReasonAsync("Waiting for silos: 1 of 2 are there.");
        Assert.Equal(["silo-2"], cluster.Status.Standby);
        cluster.AddSilo("silo-1");
        await cluster.ReadyAsync();
        Assert.Null(cluster.Status.Reason);
        Assert.Equal(1ul, cluster.Status.Epoch);
        Assert.Equal(["silo-1 0-2", "silo-2 2-4"], cluster.Stages());
        Assert.All(cluster.Status.Pipelines[0].Stages, stage => Assert.True(stage.WeightBytes > 0));
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_FewerSilosThanExpected_AreEnoughAfterAWhile()
    {
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 3, waitSeconds: 0.3);
        cluster.AddSilo("silo-1");
        cluster.AddSilo("silo-2");
        await cluster.ReadyAsync();
        Assert.Equal(2, cluster.Stages().Count());
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_MoreSilosThanExpectedOrThanLayers_StandBy()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2, spares: 2);
        Assert.Equal(["silo-3", "silo-4"], cluster.Status.Standby);
        await using TestCluster many = await TestCluster.StartAsync(TestModel.Llama3, 11);
        Assert.Equal(["silo-1 0-1", "silo-2 1-2", "silo-3 2-3", "silo-4 3-4"], many.Stages());
        Assert.Equal(["silo-5", "silo-6", "silo-7", "silo-8", "silo-9", "silo-10", "silo-11"], many.Status.Standby);
        await many.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_GivenRanges_AreUsedAsTheyAre()
    {
        await using var cluster =
            new TestCluster(TestModel.Llama3, silos: 2, waitSeconds: 0, ranges: [new LayerSpan(0, 1), new LayerSpan(1, 4)]);
        cluster.AddSilo("silo-1");
        await cluster.ReasonAsync("Waiting for silos: 1 of 2 are there.");
        cluster.AddSilo("silo-2");
        await cluster.ReadyAsync();
        Assert.Equal(["silo-1 0-1", "silo-2 1-4"], cluster.Stages());
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_SiloWithAnotherModel_IsRefusedWithBothFingerprints()
    {
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 1);
        cluster.AddSilo("silo-1", fingerprint: "beef");
        await cluster.ReasonAsync(cluster.Model.Fingerprint);
        Assert.Contains("beef", cluster.Status.Reason, StringComparison.Ordinal);
        Assert.False(cluster.Status.Ready);
    }

    [Fact]
    public async Task Status_CheckpointWithoutAFile_NamesSiloLayersAndFileAndTheSiloCanBeReplaced()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(TestModel.Llama3.Folder);
        File.Delete(folder["model-00002-of-00002.safetensors"]);
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2);
        cluster.AddSilo("silo-1");
        cluster.AddSilo("silo-2", folder.Path);
        await cluster.ReasonAsync("model-00002-of-00002.safetensors");
        Assert.Contains("silo-2 cannot hold layers 2 to 3", cluster.Status.Reason, StringComparison.Ordinal);

        await cluster.KillAsync("silo-2");
        cluster.AddSilo("silo-2");
        await cluster.ReadyAsync();
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_SiloThatCannotLoadAndASpare_TheSpareIsTakenInstead()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(TestModel.Llama3.Folder);
        File.Delete(folder["model-00001-of-00002.safetensors"]);
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2);
        cluster.AddSilo("silo-1", folder.Path);
        cluster.AddSilo("silo-2");
        cluster.AddSilo("silo-3");
        await cluster.ReadyAsync();
        Assert.Equal(["silo-2 0-2", "silo-3 2-4"], cluster.Stages());
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_SiloThatTheClusterLosesWhileItLoads_IsPlannedWithAgainWhenItIsBack()
    {
        using var mayLoad = new ManualResetEventSlim();
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2);
        cluster.AddSilo("silo-1");
        cluster.AddSilo("silo-2", loading: mayLoad.Wait);
        await cluster.ReasonAsync("The silos are loading their layers.");
        cluster.Silos.Forget("silo-2");
        await cluster.ReasonAsync("Waiting for silos: 1 of 2 are there.");
        Assert.Equal(1ul, cluster.Status.Epoch);
        Assert.Empty(cluster.Stages());
        cluster.Silos.Return("silo-2");
        mayLoad.Set();
        await cluster.ReadyAsync();
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_OnlyTheFilesOfItsRange_AreEnoughForASilo()
    {
        using TemporaryFolder first = TemporaryFolder.CopyOf(TestModel.Llama3.Folder);
        File.Delete(first["model-00002-of-00002.safetensors"]);
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2, ranges: [new LayerSpan(0, 1), new LayerSpan(1, 4)]);
        cluster.AddSilo("silo-1", first.Path);
        cluster.AddSilo("silo-2");
        await cluster.ReadyAsync();
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task Status_SilosOfTwoProfiles_NeverShareAPipeline()
    {
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2);
        cluster.AddSilo("silo-1", profile: "another");
        cluster.AddSilo("silo-2");
        await cluster.ReasonAsync("Waiting for silos: 1 of 2 are there.");
        cluster.AddSilo("silo-3");
        await cluster.ReadyAsync();
        Assert.Equal(["silo-2 0-2", "silo-3 2-4"], cluster.Stages());
        Assert.Equal(["silo-1"], cluster.Status.Standby);
    }

    [Fact]
    public async Task Status_StagesThatCannotReachEachOther_SaysWhoCannotReachWhom()
    {
        // The gateway dials the silo by one address, the other stage is told the same: nobody listens there.
        await using var cluster = new TestCluster(TestModel.Llama3, silos: 2);
        cluster.AddSilo("silo-1");
        cluster.AddSilo("silo-2", advertise: "127.0.0.1:1");
        await cluster.ReasonAsync("127.0.0.1:1");
        await cluster.KillAsync("silo-2");
        cluster.AddSilo("silo-2");
        await cluster.ReadyAsync();
    }

    [Fact]
    public async Task DisposeAsync_WhileAPipelineOpens_Ends()
    {
        for (int i = 0; i < 5; i++)
        {
            var cluster = new TestCluster(TestModel.TinyStories, silos: 3);
            for (int silo = 1; silo <= 3; silo++) cluster.AddSilo($"silo-{silo}");
            for (int spin = i * 20; spin > 0; spin--) await Task.Yield();
            await cluster.DisposeAsync().Soon();
        }
    }

    [Fact]
    public async Task Lost_Pipeline_SuspectsItsSilosAndNoOthers()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.Llama3, 2, spares: 1);
        Assert.Empty(cluster.Silos.Suspected);
        await cluster.KillAsync("silo-2");
        await cluster.ReadyAsync();
        await Patience.UntilAsync(() => cluster.Status.Epoch > 1, () => $"{cluster.Status}");
        Assert.Equal(["silo-1", "silo-2"], cluster.Silos.Suspected.Take(2).Select(silo => silo.Name));
    }
}
