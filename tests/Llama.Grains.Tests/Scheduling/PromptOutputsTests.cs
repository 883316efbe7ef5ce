using Llama.Grains.Generation;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>What a request is told of its prompt, whatever becomes of its blocks and of the pipeline.</summary>
public sealed class PromptOutputsTests
{
    /// <summary>
    /// Requests of all kinds with prompts in common, in pools that are too small for all; stages are lost, with steps half done, and pools get another
    /// size. Each gets what it gets alone, and its tokens.
    /// </summary>
    [Fact]
    public void Run_RandomWorlds_EachRequestIsToldWhatItIsAlone()
    {
        int preempted = 0;
        for (int seed = 0; seed < 150; seed++)
        {
            var random = new Random(seed);
            int stages = random.Next(1, 4);
            var cluster = new ToyCluster(stages, random.Next(10, 16), new SchedulerLimits { StepTokens = random.Next(16, 90) });
            List<ToyClient> clients = [];
            int losses = 0;
            while (clients.Count < 8 || clients.Exists(client => !client.Ended))
            {
                if (clients.Count < 8 && random.Next(2) == 0) clients.Add(cluster.Submit(Random(random)));
                else if (losses < 3 && random.Next(12) == 0) Lose();
                else if (random.Next(3) == 0) cluster.Send();
                else if (!cluster.Step() && clients.Count < 8) clients.Add(cluster.Submit(Random(random)));
            }

            preempted += (int)cluster.Scheduler.Preemptions;
            foreach (ToyClient client in clients)
            {
                Assert.Equal(Convert.ToHexString(ToyOutputs.Alone(client.Request)), Convert.ToHexString(client.Prompt));
                if (client.Request.Pooling is null) client.AssertComplete();
                else Assert.Equal((null, 1, FinishReason.Stop), (client.Fault, client.Tokens.Count, client.Finish));
            }

            void Lose()
            {
                losses++;
                int stage = random.Next(stages);
                cluster.Lose(random, stage);
                cluster.GoOn(new LayerSpan(stage, stage + 1), stages, random.Next(10, 16));
            }
        }

        Assert.InRange(preempted, 10, int.MaxValue);
    }

    /// <summary>What is in the cache has no outputs any more: they are computed again, but for a last position, which always is.</summary>
    [Fact]
    public void Run_PromptThatIsCached_IsComputedAgainWhereItsOutputsAreAskedFor()
    {
        var cluster = new ToyCluster(1, 100);
        GenerationRequest request = ToyModel.Request(1, prompt: 60, generate: 1);
        cluster.Submit(request);
        cluster.Run();
        foreach ((GenerationRequest next, int cached) in ((GenerationRequest, int)[])
            [(request with { PromptLogprobs = 1 }, 0), (request with { Pooling = Pooling.Mean }, 0), (request with { Pooling = Pooling.Last }, 59), (request, 59)])
        {
            int before = cluster.Computed;
            ToyClient client = cluster.Submit(next);
            cluster.Run();
            Assert.Equal((cached, 60 - cached), (client.CachedTokens, cluster.Computed - before));
            Assert.Equal(ToyOutputs.Alone(next), client.Prompt);
        }
    }

    [Fact]
    public void Run_ResumedAnswer_IsNotToldOfItsPromptAgain()
    {
        var cluster = new ToyCluster(1, 100);
        GenerationRequest request = ToyModel.Request(1, prompt: 40, generate: 5) with { PromptLogprobs = 0 };
        int first = ToyModel.Alone(request)[0];
        var known = new GeneratedToken(new TokenLogprob(first, -0.5f), [], null, 0, new byte[] { 1 });
        ToyClient client = cluster.Submit(request with { ResumedTokens = [known] });
        cluster.Run();
        client.AssertComplete();
        Assert.Equal(new byte[] { 1 }, client.Prompt);
    }

    /// <summary>A stage may be broken in any way: an answer that is none is the pipeline's fault.</summary>
    [Theory]
    [InlineData("missing")]
    [InlineData("short")]
    [InlineData("other token")]
    [InlineData("no number")]
    public void Complete_AnswerThatIsNone_IsAFault(string kind)
    {
        foreach (bool pooled in (bool[])[false, true])
        {
            if (pooled && kind is "other token" or "no number") continue;
            var scheduler = new Scheduler(ToyModel.Config, new SchedulerLimits(), TimeProvider.System);
            scheduler.Attach(1, 10, 256, 1, repeats: false);
            GenerationRequest request = ToyModel.Request(1) with { PromptLogprobs = 0, Pooling = pooled ? Pooling.Mean : null };
            var client = new ToyClient(request);
            client.Sequence = new Sequence(request, 1, 10, client);
            scheduler.Submit(client.Sequence);
            Step step = scheduler.NextStep()!;
            byte[] answer = new ToyMemory(10).Compute(step).Sampled.Parts.ToArray();
            var sampled = new SampledTokens();
            if (!pooled) sampled.Add(new TokenLogprob(1, 0), []);
            sampled.AddParts(Break(answer, kind));
            Assert.NotNull(scheduler.Complete(new StepResult(step.Epoch, step.Number, sampled)));
        }
    }

    private static byte[] Break(byte[] answer, string kind)
    {
        const int firstToken = StepParts.HeaderBytes + 8;
        switch (kind)
        {
            case "missing":
                return [];
            case "short":
                answer = answer[..^8];
                BitConverter.GetBytes(answer.Length - StepParts.HeaderBytes).CopyTo(answer, 8);
                return answer;
            case "other token":
                answer[firstToken]++;
                return answer;
            default:
                BitConverter.GetBytes(float.NaN).CopyTo(answer, firstToken + 4);
                return answer;
        }
    }

    private static GenerationRequest Random(Random random)
    {
        // Few beginnings, so that prompts have blocks in common.
        GenerationRequest request = ToyModel.Request(random.Next(2), random.Next(1, 90), random.Next(1, 60)) with { Priority = random.Next(2) };
        return random.Next(5) switch
        {
            0 => request,
            1 => request with { PromptLogprobs = random.Next(3) },
            2 => request with { Pooling = Pooling.Last },
            _ => request with { Pooling = Pooling.Mean },
        };
    }
}
