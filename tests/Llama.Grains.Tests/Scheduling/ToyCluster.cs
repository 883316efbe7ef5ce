using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Layers;
using Llama.Tests;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>An engine with a toy pipeline, run step by step; it is searched for contradictions after each.</summary>
internal sealed class ToyCluster
{
    private readonly Queue<Step> inFlight = [];
    private ToyMemory memory;
    private long arrivals;
    private ulong epoch;
    private int kvBlocks;
    private int stageCount;
    private readonly bool repeats;

    public ToyCluster(int stages, int blocks, SchedulerLimits? limits = null, bool repeatsShapes = false)
    {
        repeats = repeatsShapes;
        Scheduler = new Scheduler(ToyModel.Config, limits ?? new SchedulerLimits { StepTokens = 256 }, Time);
        memory = new ToyMemory(0);
        if (stages > 0) Attach(stages, blocks);
    }

    /// <summary>Most tokens that the stages of the next pipeline take.</summary>
    public int MaxStepTokens { get; set; } = 256;

    public ManualTime Time { get; } = new();

    public Scheduler Scheduler { get; }

    public int InFlight => inFlight.Count;

    /// <summary>Tokens that were computed.</summary>
    public int Computed => memory.Computed;

    /// <summary>Sequences, tokens and copies of every step that was sent.</summary>
    public List<(int Sequences, int Tokens, int Copies)> Sent { get; } = [];

    /// <summary>First position, tokens and shape of every part that was sent.</summary>
    public List<(int First, int Tokens, int Shape)> Parts { get; } = [];

    /// <summary>Tokens that each stage has computed.</summary>
    public int[] Work => memory.Work;

    public void Attach(int stages, int blocks)
    {
        memory = new ToyMemory(blocks, stages);
        (kvBlocks, stageCount) = (blocks, stages);
        Scheduler.Attach(stages, blocks, MaxStepTokens, ++epoch, repeats);
        Verify();
    }

    public void Lose()
    {
        Scheduler.Detach("A stage was lost.");
        inFlight.Clear();
        Verify();
    }

    /// <summary>Stages are lost; the steps in flight have come to different stages.</summary>
    public void Lose(Random random, params int[] stages)
    {
        int reached = stageCount;
        while (inFlight.TryDequeue(out Step? step))
        {
            reached = random.Next(reached + 1);
            memory.Compute(step, reached);
        }

        foreach (int stage in stages) memory.Lose(stage);
        Scheduler.Detach("A stage was lost.");
        Verify();
    }

    /// <summary>A pipeline goes on with the blocks of the one that was lost.</summary>
    /// <param name="lost">Layers that have lost theirs.</param>
    public void GoOn(LayerSpan lost) => GoOn(lost, stageCount, kvBlocks);

    /// <summary>A pipeline of other stages, and pools of another size perhaps, goes on with the blocks of the one that was lost.</summary>
    /// <param name="lost">Layers that have lost theirs.</param>
    /// <param name="stages">Steps that it computes at once.</param>
    /// <param name="blocks">Blocks in its pools.</param>
    public void GoOn(LayerSpan lost, int stages, int blocks)
    {
        HeldBlocks held = Scheduler.Fit(blocks);
        Verify();
        if (held.Carried is { } carried) memory.Renumber(blocks, carried);
        kvBlocks = blocks;
        Scheduler.Attach(stages, blocks, MaxStepTokens, ++epoch, repeats, lost.Hull(held.Unfinished), held.Carried);
        Verify();
    }

    public ToyClient Submit(GenerationRequest request)
    {
        var client = new ToyClient(request);
        client.Sequence = new Sequence(request, ++arrivals, request.PromptTokens.Count + request.MaxTokens!.Value, client);
        Scheduler.Submit(client.Sequence);
        Verify();
        return client;
    }

    public void Cancel(ToyClient client)
    {
        Scheduler.Cancel(client.Sequence);
        Verify();
    }

    /// <summary>Sends what may be sent.</summary>
    public void Send()
    {
        while (Scheduler.NextStep() is { } step)
        {
            int[] shapes = new int[step.Sequences.Length];
            step.ReadShapes(shapes);
            for (int i = 0; i < shapes.Length; i++) Parts.Add((step.Sequences[i].FirstPosition, step.Sequences[i].TokenCount, shapes[i]));
            Sent.Add((step.Sequences.Length, step.Tokens.Length, step.Copies.Length));
            Assert.InRange(step.Tokens.Length, 1, MaxStepTokens);
            inFlight.Enqueue(step);
            Assert.InRange(inFlight.Count, 1, 2 * Scheduler.Stages);
            Verify();
        }
    }

    /// <summary>Computes the oldest step in flight.</summary>
    public void Complete()
    {
        Assert.Null(Scheduler.Complete(memory.Compute(inFlight.Dequeue())));
        Verify();
    }

    /// <summary>Sends and computes one step; false when there is nothing to do.</summary>
    public bool Step()
    {
        Send();
        if (inFlight.Count == 0) return false;
        Complete();
        return true;
    }

    public void Run()
    {
        while (Step())
        {
        }
    }

    private void Verify() => Assert.Null(Scheduler.FindFault());
}

/// <summary>Collects a sequence's tokens.</summary>
internal sealed class ToyClient(GenerationRequest request) : ISequenceClient
{
    public GenerationRequest Request => request;

    public Sequence Sequence { get; set; } = null!;

    public List<int> Tokens { get; } = [];

    public int? CachedTokens { get; private set; }

    public int? LastCachedTokens { get; private set; }

    public FinishReason? Finish { get; private set; }

    /// <summary>What was told of its prompt.</summary>
    public byte[] Prompt { get; private set; } = [];

    public bool Ended { get; private set; }

    public GenerationException? Fault { get; private set; }

    public void Next(GeneratedToken token)
    {
        Assert.False(Ended);
        Tokens.Add(token.Sampled.Token);
        CachedTokens ??= token.CachedTokens;
        if (Tokens.Count == 1) Prompt = token.Prompt.ToArray();
        else Assert.True(token.Prompt.IsEmpty);
        LastCachedTokens = token.CachedTokens;
        Finish = token.Finish;
    }

    public void End(GenerationException? fault)
    {
        Assert.False(Ended);
        Ended = true;
        Fault = fault;
    }

    /// <summary>It got what it would get alone.</summary>
    public void AssertComplete()
    {
        Assert.Null(Fault);
        Assert.True(Ended);
        Assert.NotNull(Finish);
        Assert.Equal(ToyModel.Alone(request), Tokens);
    }
}
