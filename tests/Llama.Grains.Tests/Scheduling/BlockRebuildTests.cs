using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Tests.Gateway;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>Layers are lost, and the next pipeline goes on with what the others kept.</summary>
public sealed class BlockRebuildTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Attach_OneStageOfFourLost_OnlyItIsRebuiltForLessThanFortyPercent(int lost)
    {
        var cluster = new ToyCluster(4, 400);
        ToyClient[] clients =
            [.. Enumerable.Range(0, 8).Select(i => cluster.Submit(ToyModel.Request(i, prompt: 40 + (5 * i), generate: 200)))];
        for (int i = 0; i < 300; i++) cluster.Step();
        cluster.Send();
        int held = clients.Sum(client => client.Sequence.Tokens.Count);
        Assert.InRange(held, 800, 1200);
        cluster.Lose(new Random(lost), lost);
        cluster.GoOn(new LayerSpan(lost, lost + 1));
        int[] before = [.. cluster.Work];
        int[] tokens = [.. clients.Select(client => client.Tokens.Count)];
        Recovery? recovery = null;
        while (recovery is null)
        {
            cluster.Step();
            recovery = cluster.Scheduler.TakeRecovery();
        }

        // Every sequence has its next token. Recomputing everything would take all positions in all stages.
        Assert.All(clients.Zip(tokens), pair => Assert.True(pair.First.Tokens.Count > pair.Second));
        int work = cluster.Work.Zip(before, (now, then) => now - then).Sum();
        Assert.InRange((double)work / (held * 4), 0.2, 0.4);
        Assert.Equal((8, new LayerSpan(lost, lost + 1)), (recovery.Sequences, recovery.Layers));
        Assert.InRange(recovery.Rebuilt, held - (8 * 17), held);
        Assert.InRange(recovery.Rebuilt + (4 * recovery.Recomputed), held, work);
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.Equal(400, cluster.Scheduler.FreeBlocks);
    }

    [Fact]
    public void Attach_NothingLost_NothingIsComputedTwiceButLastBlocks()
    {
        var cluster = new ToyCluster(3, 100);
        ToyClient client = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 200));
        for (int i = 0; i < 60; i++) cluster.Step();
        int before = cluster.Computed;
        cluster.Lose(new Random(1));
        cluster.GoOn(default);
        cluster.Run();
        client.AssertComplete();
        Assert.InRange(cluster.Computed - before, 140, 156);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 2)]
    [InlineData(0, null)]
    [InlineData(1, 2)]
    [InlineData(1, null)]
    [InlineData(4, 0)]
    [InlineData(4, 2)]
    [InlineData(4, null)]
    public void Attach_LossInTheMidstOfARebuild_WhatWasNotRebuiltIsAddedToWhatIsLost(int steps, int? second)
    {
        var cluster = new ToyCluster(3, 200);
        ToyClient[] clients = [.. Enumerable.Range(0, 6).Select(i => cluster.Submit(ToyModel.Request(i, prompt: 200, generate: 60)))];
        for (int i = 0; i < 60; i++) cluster.Step();
        cluster.Lose(new Random(1), 1);
        cluster.GoOn(new LayerSpan(1, 2));
        for (int i = 0; i < steps; i++) cluster.Step();
        cluster.Send();
        cluster.Lose(new Random(2), second is { } lost ? [lost] : []);
        cluster.GoOn(second is { } stage ? new LayerSpan(stage, stage + 1) : default);
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.Equal(200, cluster.Scheduler.FreeBlocks);
    }

    [Fact]
    public void Attach_PromptsInCommon_AreRebuiltOnce()
    {
        var cluster = new ToyCluster(2, 200);
        GenerationRequest request = ToyModel.Request(1, prompt: 600, generate: 30);
        ToyClient[] clients = [.. Enumerable.Range(0, 6).Select(i => cluster.Submit(request with { Seed = (ulong)i }))];
        for (int i = 0; i < 20; i++) cluster.Step();
        int before = cluster.Work[1];
        cluster.Lose(new Random(1), 1);
        cluster.GoOn(new LayerSpan(1, 2));
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.InRange(cluster.Work[1] - before, 592, 592 + (6 * 40));
    }

    [Fact]
    public void Attach_BlocksThatNobodyHeld_AreForgotten()
    {
        var cluster = new ToyCluster(2, 200);
        ToyClient ended = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 5));
        cluster.Run();
        ToyClient running = cluster.Submit(ToyModel.Request(2, prompt: 100, generate: 50));
        for (int i = 0; i < 10; i++) cluster.Step();
        cluster.Lose(new Random(1), 0);
        cluster.GoOn(new LayerSpan(0, 1));
        ToyClient again = cluster.Submit(ended.Request);
        cluster.Run();
        Assert.All((ToyClient[])[ended, running, again], client => client.AssertComplete());
        Assert.Equal(0, again.CachedTokens);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(130)]
    [InlineData(100)]
    public void Attach_FewerOrMoreBlocks_WhatHasRoomGoesOnUnderOtherNumbers(int blocks)
    {
        var cluster = new ToyCluster(6, 200);
        ToyClient ended = cluster.Submit(ToyModel.Request(99, prompt: 800, generate: 1));
        cluster.Run();
        ToyClient[] clients = [.. Enumerable.Range(0, 8).Select(i => cluster.Submit(ToyModel.Request(i, prompt: 150, generate: 100)))];
        for (int i = 0; i < 300; i++) cluster.Step();
        cluster.Send();
        int[] held = [.. clients.Select(client => client.Sequence.Tokens.Count)];
        Assert.True(held.Sum() > 8 * 170, $"{held.Sum()}");
        cluster.Lose(new Random(1), 2, 3);
        int before = cluster.Work.Sum();
        cluster.GoOn(new LayerSpan(2, 4), 4, blocks);
        Recovery? recovery = null;
        while (recovery is null)
        {
            cluster.Step();
            recovery = cluster.Scheduler.TakeRecovery();
        }

        // What does not fit is preempted, and computed again in all layers when there is room.
        int fit = 0;
        for (int room = blocks; fit < 8 && room > held[fit] / 16; fit++) room -= (held[fit] / 16) + 1;
        Assert.Equal(blocks == 100 ? 7 : 8, fit);
        Assert.InRange(recovery.Rebuilt, held.Take(fit).Sum(tokens => tokens - 17), held.Take(fit).Sum());
        Assert.InRange(recovery.Recomputed, 8 - fit, (8 * 17) + held.Skip(fit).Sum(tokens => tokens + 20));
        if (fit == 8) Assert.InRange(cluster.Work.Sum() - before, 0, held.Sum() * 6 * 2 / 3);
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.Equal(blocks, cluster.Scheduler.FreeBlocks);
        Assert.True(ended.Ended);
    }

    [Fact]
    public void Attach_OtherNumberOfBlocksAndNothingLost_TheContentsAreKnownUnderTheNewNumbers()
    {
        var cluster = new ToyCluster(3, 100);
        ToyClient client = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 200));
        for (int i = 0; i < 60; i++) cluster.Step();
        int before = cluster.Computed;
        cluster.Lose(new Random(1));
        cluster.GoOn(default, 2, 80);
        cluster.Run();
        client.AssertComplete();
        Assert.InRange(cluster.Computed - before, 140, 156);
        Assert.Equal(80, cluster.Scheduler.FreeBlocks);
    }

    [Fact]
    public void Attach_TooFewBlocksForAWholeRequest_GoesOnAsFarAsThereIsRoomAndNewOnesAreRefused()
    {
        var cluster = new ToyCluster(2, 40);
        ToyClient shorter = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 150));
        ToyClient longer = cluster.Submit(ToyModel.Request(2, prompt: 100, generate: 500) with { IgnoreEndTokens = true });
        for (int i = 0; i < 40; i++) cluster.Step();
        cluster.Lose(new Random(1), 1);
        ToyClient later = cluster.Submit(ToyModel.Request(3, prompt: 100, generate: 500) with { IgnoreEndTokens = true });
        cluster.GoOn(new LayerSpan(1, 2), 2, 20);
        Assert.False(shorter.Ended || longer.Ended);
        cluster.Run();
        shorter.AssertComplete();

        // It is preempted by itself, and finds no room when its turn comes.
        cluster.Run();
        Assert.Equal(GenerationError.Unavailable, longer.Fault?.Error);
        Assert.Contains("has room for 320 tokens now", longer.Fault?.Message, StringComparison.Ordinal);
        Assert.Equal(ToyModel.Alone(longer.Request).Take(221), longer.Tokens);
        Assert.Equal((GenerationError.Unavailable, 0), (later.Fault?.Error, later.Tokens.Count));
        Assert.Equal(20, cluster.Scheduler.FreeBlocks);
    }

    [Fact]
    public void Attach_AnotherNumberOfBlocks_BeginsWithNothing()
    {
        var cluster = new ToyCluster(2, 200);
        ToyClient client = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 50));
        for (int i = 0; i < 10; i++) cluster.Step();
        cluster.Lose(new Random(1), 0);
        cluster.Attach(2, 150);
        cluster.Run();
        client.AssertComplete();
        Assert.Equal(150, cluster.Scheduler.FreeBlocks);
    }

    [Fact]
    public void ForgetBlocks_RecordsThatCannotBeTrusted_BeginsWithNothing()
    {
        var cluster = new ToyCluster(2, 200);
        ToyClient client = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 50));
        for (int i = 0; i < 10; i++) cluster.Step();
        cluster.Lose(new Random(1), 0, 1);
        cluster.Scheduler.ForgetBlocks();
        cluster.GoOn(default);
        cluster.Run();
        client.AssertComplete();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Attach_LossAfterLossInTheMidstOfEverything_EveryClientGetsItsTokens(int seed)
    {
        var random = new Random(seed);
        int stages = random.Next(2, 6);
        var cluster = new ToyCluster(stages, 40, new SchedulerLimits { StepTokens = random.Next(16, 257), MaxWaiting = 1000 });
        var clients = new List<ToyClient>();
        int blocks = 40;
        for (int round = 0; round < 120; round++)
        {
            for (int i = random.Next(3); i > 0; i--)
            {
                // Many have prompts in common, and some go away.
                GenerationRequest request = ToyModel.Request(random.Next(6), random.Next(1, 150), random.Next(1, 80));
                clients.Add(cluster.Submit(request with { Seed = (ulong)random.Next(1000), Priority = random.Next(2) }));
            }

            for (int i = random.Next(60); i > 0 && cluster.Step(); i--)
            {
            }

            if (random.Next(8) == 0 && clients.LastOrDefault(client => !client.Ended) is { } leaving)
            {
                cluster.Cancel(leaving);
                clients.Remove(leaving);
            }

            cluster.Send();
            if (random.Next(5) > 0) continue;

            // One stage or two, with or without the log before them; or all begins anew.
            int first = random.Next(stages);
            int end = Math.Min(stages, first + random.Next(1, 3));
            cluster.Lose(random, [.. Enumerable.Range(first, end - first)]);
            var lost = new LayerSpan(random.Next(3) == 0 ? 0 : first, end);
            if (random.Next(6) == 0) cluster.Attach(stages, blocks = 40);
            else if (random.Next(3) == 0) cluster.GoOn(lost, random.Next(1, stages + 1), blocks = random.Next(20, 60));
            else cluster.GoOn(lost);
        }

        cluster.Run();
        Assert.All(clients.Where(client => client.Fault?.Message.Contains("was lost 4 times", StringComparison.Ordinal) != true),
            client => client.AssertComplete());
        Assert.True(clients.Count(client => client.Fault is null) > 60);
        Assert.Equal(blocks, cluster.Scheduler.FreeBlocks);
    }
}
