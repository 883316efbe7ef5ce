using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Scheduling;

public sealed class SchedulerTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void NextStep_ManySequences_EachGetsItsTokensAndEveryStageHasAStep(int stages)
    {
        var cluster = new ToyCluster(stages, 500);
        ToyClient[] clients = [.. Enumerable.Range(0, 7).Select(i => cluster.Submit(ToyModel.Request(i, prompt: 20 + i, generate: 40)))];
        cluster.Send();
        Assert.Equal(stages, cluster.InFlight);
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        int share = (7 + stages - 1) / stages;
        Assert.All(cluster.Sent, step => Assert.InRange(step.Sequences, 1, share));
        Assert.Equal((0, 0, 500), (cluster.Scheduler.RunningCount, cluster.Scheduler.WaitingCount, cluster.Scheduler.FreeBlocks));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(100)]
    [InlineData(1024)]
    public void NextStep_PipelineWhoseStagesTakeSoMany_FillsStepsAndNeverExceedsThem(int maxStepTokens)
    {
        var cluster = new ToyCluster(0, 0, new SchedulerLimits { StepTokens = 2048 }) { MaxStepTokens = maxStepTokens };
        cluster.Attach(2, 500);
        ToyClient[] clients = [.. Enumerable.Range(0, 40).Select(i => cluster.Submit(ToyModel.Request(i, prompt: 1 + (60 * i % 700), generate: 8)))];
        for (int i = 0; i < 20; i++) cluster.Step();

        // Also what is rebuilt comes in steps of the size that the next pipeline takes.
        cluster.Lose(new Random(1), 1);
        cluster.MaxStepTokens = Math.Max(StepBudget.LeastStepTokens, maxStepTokens / 2);
        cluster.GoOn(new LayerSpan(1, 2));
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.InRange(cluster.Sent.Max(step => step.Tokens), maxStepTokens - StepBudget.Least, maxStepTokens);
    }

    [Fact]
    public void NextStep_GrowingSequence_TakesBlocksAsItNeedsThem()
    {
        var cluster = new ToyCluster(1, 100);
        ToyClient client = cluster.Submit(ToyModel.Request(1, prompt: 20, generate: 500));
        Assert.Equal(98, cluster.Scheduler.FreeBlocks);
        for (int i = 0; i < 14; i++) cluster.Step();
        Assert.Equal((14, 97), (client.Tokens.Count, cluster.Scheduler.FreeBlocks));
    }

    [Fact]
    public void NextStep_TwoStages_SequencesAreSpreadEvenly()
    {
        var cluster = new ToyCluster(2, 500);
        for (int i = 0; i < 8; i++) cluster.Submit(ToyModel.Request(i, generate: 50));
        for (int i = 0; i < 40; i++) cluster.Step();
        Assert.All(cluster.Sent.Skip(4), step => Assert.Equal(4, step.Sequences));
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(2, 2, 3)]
    [InlineData(7, 7, 8)]
    [InlineData(8, 8, 9)]
    [InlineData(24, 24, 27)]
    public void NextStep_LongPrompt_AFewMoreStepsThanStagesAreInFlight(int stages, int decodingSteps, int steps)
    {
        var cluster = new ToyCluster(stages, 1000, new SchedulerLimits { StepTokens = 16 });
        for (int i = 0; i < decodingSteps; i++) cluster.Submit(ToyModel.Request(i, prompt: 1, generate: 100));
        for (int i = 0; i < 200; i++) cluster.Step();
        cluster.Submit(ToyModel.Request(99, prompt: 4000, generate: 1));
        cluster.Step();
        cluster.Send();
        Assert.Equal(steps, cluster.InFlight);
    }

    [Fact]
    public void NextStep_LongPromptBesideDecodingSequences_BothGoOn()
    {
        var cluster = new ToyCluster(2, 500, new SchedulerLimits { StepTokens = 64 });
        ToyClient[] decoding = [.. Enumerable.Range(0, 6).Select(i => cluster.Submit(ToyModel.Request(i, generate: 100)))];
        for (int i = 0; i < 10; i++) cluster.Step();
        ToyClient late = cluster.Submit(ToyModel.Request(9, prompt: 1000, generate: 1));
        int before = decoding[0].Tokens.Count;
        int steps = 0;
        while (!late.Ended)
        {
            cluster.Step();
            steps++;
        }

        // Of three steps in flight, two carry the others, and all can carry some of its 1000 tokens.
        Assert.InRange(steps, 16, 40);
        Assert.InRange(decoding[0].Tokens.Count - before, (steps / 3) - 1, (steps / 2) + 2);
        Assert.All(cluster.Sent, step => Assert.InRange(step.Tokens, 1, 64));
        cluster.Run();
        Assert.All((ToyClient[])[.. decoding, late], client => client.AssertComplete());
    }

    [Fact]
    public void NextStep_SamePromptAgain_OnlyItsLastTokenIsComputed()
    {
        foreach (int prompt in (int[])[1, 2, 15, 16, 17, 31, 32, 33, 300])
        {
            var cluster = new ToyCluster(1, 100);
            ToyClient first = cluster.Submit(ToyModel.Request(1, prompt, generate: 1));
            cluster.Run();
            ToyClient second = cluster.Submit(ToyModel.Request(1, prompt, generate: 1));
            cluster.Run();
            Assert.Equal((0, prompt - 1), (first.CachedTokens, second.CachedTokens));
            Assert.Equal(prompt + 1, cluster.Computed);
            first.AssertComplete();
            second.AssertComplete();
        }
    }

    [Theory]
    [InlineData(1, 40)]
    [InlineData(2, 40)]
    [InlineData(3, 7)]
    [InlineData(2, 600)]
    public void NextStep_SamePromptManyTimesAtOnce_IsComputedOnce(int stages, int prompt)
    {
        var cluster = new ToyCluster(stages, 1000);
        GenerationRequest request = ToyModel.Request(1, prompt, generate: 30);
        ToyClient[] clients = [.. Enumerable.Range(0, 8).Select(i => cluster.Submit(request with { Seed = (ulong)i }))];
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.Equal(8, clients.Select(client => string.Join(' ', client.Tokens)).Distinct().Count());
        Assert.Equal(prompt + 7 + (8 * 29), cluster.Computed);
        Assert.Equal([0, .. Enumerable.Repeat<int?>(prompt - 1, 7)], clients.Select(client => client.CachedTokens));
    }

    [Fact]
    public void NextStep_SecondTurnOfAChat_ComputesWhatIsNew()
    {
        var cluster = new ToyCluster(2, 200);
        ToyClient first = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 60));
        cluster.Run();
        int[] longer = [.. first.Request.PromptTokens, .. first.Tokens, .. Enumerable.Range(1, 50)];
        ToyClient second = cluster.Submit(first.Request with { PromptTokens = longer });
        cluster.Run();
        second.AssertComplete();

        // 159 positions of the first turn were computed, 9 blocks of them in full.
        Assert.Equal(144, second.CachedTokens);
    }

    [Fact]
    public void NextStep_PromptsThatDifferInOneToken_ShareWhatComesBefore()
    {
        var cluster = new ToyCluster(2, 200);
        int[] prompt = [.. Enumerable.Range(1, 100)];
        foreach (int different in (int[])[-1, 0, 15, 16, 47, 48, 99])
        {
            int[] changed = [.. prompt];
            if (different >= 0) changed[different] = 250;
            ToyClient client = cluster.Submit(ToyModel.Request(1, generate: 5) with { PromptTokens = changed });
            cluster.Run();
            client.AssertComplete();
            Assert.Equal(different < 0 ? 0 : different / 16 * 16, client.CachedTokens);
        }
    }

    [Fact]
    public void NextStep_CachedBlocksNeeded_AreTakenAndTheirContentsForgotten()
    {
        var cluster = new ToyCluster(1, 10);
        ToyClient first = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 20));
        cluster.Run();
        ToyClient other = cluster.Submit(ToyModel.Request(2, prompt: 120, generate: 30));
        cluster.Run();
        ToyClient again = cluster.Submit(first.Request);
        cluster.Run();
        Assert.All((ToyClient[])[first, other, again], client => client.AssertComplete());
        Assert.Equal(0, again.CachedTokens);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void NextStep_BlocksRunOut_TheYoungestIsPreemptedAndGetsTheSameTokens(int stages)
    {
        var cluster = new ToyCluster(stages, 20);
        ToyClient[] clients = [.. Enumerable.Range(0, 5).Select(i => cluster.Submit(ToyModel.Request(i, prompt: 30, generate: 150)))];
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.InRange(cluster.Scheduler.Preemptions, 1, 1000);
        Assert.Equal(20, cluster.Scheduler.FreeBlocks);
    }

    [Fact]
    public void NextStep_BlocksRunOut_TheOldestOfTheHighestPriorityIsNeverPreempted()
    {
        var cluster = new ToyCluster(2, 20);
        ToyClient low = cluster.Submit(ToyModel.Request(1, prompt: 30, generate: 200));
        ToyClient high = cluster.Submit(ToyModel.Request(2, prompt: 30, generate: 200) with { Priority = 1 });
        ToyClient last = cluster.Submit(ToyModel.Request(3, prompt: 30, generate: 200));
        var order = new List<ToyClient>();
        while (cluster.Step())
        {
            Assert.Equal(high.Ended ? SequenceState.Outside : SequenceState.Running, high.Sequence.State);
            order.AddRange(((ToyClient[])[low, high, last]).Where(client => client.Ended && !order.Contains(client)));
        }

        Assert.Equal([high, low, last], order);
        Assert.All(order, client => client.AssertComplete());
    }

    [Fact]
    public void Submit_Priorities_HigherOnesGoFirstAndWithinOneTheEarliest()
    {
        var cluster = new ToyCluster(0, 0);
        int[] priorities = [0, -5, 3, 0, 3, -5];
        ToyClient[] clients =
            [.. priorities.Select((priority, i) => cluster.Submit(ToyModel.Request(i, prompt: 150, generate: 1) with { Priority = priority }))];
        cluster.Attach(1, 10);
        var order = new List<int>();
        while (cluster.Step())
            order.AddRange(Enumerable.Range(0, clients.Length).Where(i => clients[i].Ended && !order.Contains(i)));
        Assert.Equal([2, 4, 0, 3, 1, 5], order);
    }

    [Fact]
    public void Cancel_WithStepsInFlight_ItsBlocksServeTheNextAtOnce()
    {
        var cluster = new ToyCluster(2, 10, new SchedulerLimits { StepTokens = 64 });
        ToyClient first = cluster.Submit(ToyModel.Request(1, prompt: 150, generate: 5));
        cluster.Send();
        Assert.Equal(3, cluster.InFlight);
        ToyClient next = cluster.Submit(ToyModel.Request(2, prompt: 150, generate: 5));
        Assert.Equal(1, cluster.Scheduler.WaitingCount);
        cluster.Cancel(first);
        Assert.Equal(10, cluster.Scheduler.FreeBlocks);
        cluster.Run();
        next.AssertComplete();
        Assert.True(first.Ended);
        Assert.Empty(first.Tokens);
    }

    [Fact]
    public void Detach_RunningWaitingAndPreempted_GoOnWithTheSameTokens()
    {
        var cluster = new ToyCluster(3, 20);
        ToyClient[] clients = [.. Enumerable.Range(0, 6).Select(i => cluster.Submit(ToyModel.Request(i, prompt: 30, generate: 100)))];
        for (int round = 1; !clients.All(client => client.Ended); round++)
        {
            for (int i = 0; i < 25 * round && cluster.Step(); i++)
            {
            }

            cluster.Send();
            cluster.Lose();
            Assert.Equal((0, 0), (cluster.Scheduler.RunningCount, cluster.Scheduler.FreeBlocks));
            cluster.Attach(1 + (round % 3), 15 + round);
        }

        Assert.All(clients, client => client.AssertComplete());
    }

    [Fact]
    public void Submit_TokensThatMayNotWait_AreRefusedAndALoneRequestIsNot()
    {
        var cluster = new ToyCluster(0, 0, new SchedulerLimits { MaxWaitingTokens = 100 });
        ToyClient large = cluster.Submit(ToyModel.Request(1, prompt: 150));
        Assert.False(large.Ended);
        ToyClient refused = cluster.Submit(ToyModel.Request(2, prompt: 1));
        Assert.Equal(GenerationError.Overloaded, refused.Fault?.Error);
        Assert.Contains("150 tokens are waiting, and at most 100 may", refused.Fault?.Message, StringComparison.Ordinal);
        cluster.Attach(1, 100);
        cluster.Run();
        large.AssertComplete();
    }

    [Fact]
    public void Submit_MoreThanAClientsShare_IsRefusedAndOthersAreNot()
    {
        var cluster = new ToyCluster(0, 0, new SchedulerLimits { MaxWaiting = 10, ClientShare = 30 });
        ToyClient[] three = [.. Enumerable.Range(0, 3).Select(i => cluster.Submit(ToyModel.Request(i) with { Client = "a" }))];
        ToyClient fourth = cluster.Submit(ToyModel.Request(3) with { Client = "a" });
        Assert.Equal(GenerationError.Overloaded, fourth.Fault?.Error);
        Assert.Contains("3 requests of this client are waiting", fourth.Fault?.Message, StringComparison.Ordinal);
        Assert.NotNull(fourth.Fault?.RetryAfter);
        ToyClient[] others = [cluster.Submit(ToyModel.Request(4) with { Client = "b" }), cluster.Submit(ToyModel.Request(5))];
        cluster.Cancel(three[0]);
        ToyClient fifth = cluster.Submit(ToyModel.Request(6) with { Client = "a" });
        cluster.Attach(1, 100);
        cluster.Run();
        Assert.All((ToyClient[])[.. three[1..], .. others, fifth], client => client.AssertComplete());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Expire_TimeoutOver_EndsItWhereverItIs(int stages)
    {
        var cluster = new ToyCluster(stages, 100);
        ToyClient hurried = cluster.Submit(ToyModel.Request(1, generate: 1000) with { Timeout = TimeSpan.FromSeconds(1.5) });
        ToyClient patient = cluster.Submit(ToyModel.Request(2, generate: 1000));
        for (int i = 0; i < 20; i++) cluster.Step();
        cluster.Time.Advance(TimeSpan.FromSeconds(1.4));
        cluster.Scheduler.Expire();
        Assert.False(hurried.Ended);
        cluster.Time.Advance(TimeSpan.FromSeconds(0.1));
        cluster.Scheduler.Expire();
        Assert.Equal(GenerationError.Expired, hurried.Fault?.Error);
        Assert.Contains("timeout of 1.5 s", hurried.Fault?.Message, StringComparison.Ordinal);
        Assert.False(patient.Ended);
        if (stages == 0) cluster.Attach(1, 100);
        cluster.Run();
        patient.AssertComplete();
        Assert.Null(cluster.Scheduler.FindFault());
    }

    [Fact]
    public void Expire_EndedBeforeItsTimeout_IsNotEndedAgain()
    {
        var cluster = new ToyCluster(1, 100);
        ToyClient client = cluster.Submit(ToyModel.Request(1) with { Timeout = TimeSpan.FromSeconds(1) });
        cluster.Run();
        cluster.Time.Advance(TimeSpan.FromSeconds(2));
        cluster.Scheduler.Expire();
        client.AssertComplete();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(49)]
    public void Submit_ResumedTokens_ComeFirstAndAreComputedWithThePrompt(int known)
    {
        var cluster = new ToyCluster(1, 100);
        GenerationRequest request = ToyModel.Request(1, prompt: 20, generate: 50);
        ToyClient client = cluster.Submit(request with { ResumedTokens = Resumed(request, known) });
        Assert.Equal(known, client.Tokens.Count);
        cluster.Run();
        client.AssertComplete();
        Assert.Equal((FinishReason.Length, 50 - known), (client.Finish, cluster.Scheduler.SampledTokens));

        // One step computes all that was known; the others sample from a token each.
        Assert.Equal([20 + known, .. Enumerable.Repeat(1, 49 - known)], cluster.Sent.Select(step => step.Tokens));
        Assert.Equal(100, cluster.Scheduler.FreeBlocks);
    }

    [Fact]
    public void Submit_ResumedTokensAmongOthers_SurvivePreemptionAndLossAndKeepTheirCachedTokens()
    {
        var cluster = new ToyCluster(2, 16);
        List<ToyClient> clients = [];
        for (int i = 0; i < 8; i++)
        {
            GenerationRequest request = ToyModel.Request(i % 3, prompt: 30, generate: 60 + i);
            clients.Add(cluster.Submit(request with { ResumedTokens = Resumed(request, i * 7, cached: i) }));
        }

        for (int i = 0; i < 60; i++) cluster.Step();
        cluster.Lose();
        cluster.Attach(3, 14);
        cluster.Run();
        Assert.All(clients, client => client.AssertComplete());
        Assert.True(cluster.Scheduler.Preemptions > 0);
        Assert.Equal(Enumerable.Range(1, 7), clients.Skip(1).Select(client => client.CachedTokens!.Value));
        Assert.Equal(clients.Skip(1).Select(client => client.CachedTokens), clients.Skip(1).Select(client => client.LastCachedTokens));
        Assert.Equal(clients.Sum(client => client.Tokens.Count) - (7 * 28), cluster.Scheduler.SampledTokens);
    }

    [Fact]
    public void Submit_ResumedTokensOfOneThatIsRefused_DoNotCome()
    {
        var cluster = new ToyCluster(0, 0, new SchedulerLimits { MaxWaiting = 1 });
        cluster.Submit(ToyModel.Request(1));
        GenerationRequest request = ToyModel.Request(2);
        ToyClient refused = cluster.Submit(request with { ResumedTokens = Resumed(request, 5) });
        Assert.Equal(GenerationError.Overloaded, refused.Fault?.Error);
        Assert.Empty(refused.Tokens);
    }

    private static GeneratedToken[] Resumed(GenerationRequest request, int count, int cached = 0) =>
        [.. ToyModel.Alone(request).Take(count).Select(token => new GeneratedToken(new TokenLogprob(token, -0.5f), [], null, cached))];
}
