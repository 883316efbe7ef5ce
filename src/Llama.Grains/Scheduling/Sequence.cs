using Llama.Grains.Generation;
using Llama.Model.Grammars;
using Llama.Model.Layers;

namespace Llama.Grains.Scheduling;

/// <summary>Where a sequence is.</summary>
internal enum SequenceState
{
    /// <summary>Not submitted yet, or ended: the engine does not know it.</summary>
    Outside,

    /// <summary>It holds no blocks, and waits for them or for a pipeline.</summary>
    Waiting,

    /// <summary>It holds blocks.</summary>
    Running,
}

/// <summary>Who reads a sequence's tokens. Called by the engine, so it must not wait.</summary>
internal interface ISequenceClient
{
    /// <summary>A token was sampled.</summary>
    void Next(GeneratedToken token);

    /// <summary>Nothing follows.</summary>
    /// <param name="fault">Why the sequence ended early; null when it is complete or was cancelled.</param>
    void End(GenerationException? fault);
}

/// <summary>One generation in flight. Only its engine changes it.</summary>
internal sealed class Sequence
{
    /// <summary>A sequence that has not begun.</summary>
    /// <param name="request">The request, checked.</param>
    /// <param name="arrival">Orders sequences of one priority; no two have the same.</param>
    /// <param name="maxTokens">Length in tokens, prompt included, at which it ends.</param>
    /// <param name="client">Who reads the tokens.</param>
    /// <param name="matcher">Follows its grammar, behind the resumed tokens; null for free text.</param>
    public Sequence(GenerationRequest request, long arrival, int maxTokens, ISequenceClient client, GrammarMatcher? matcher = null)
    {
        Request = request;
        Arrival = arrival;
        MaxTokens = maxTokens;
        Client = client;
        Matcher = matcher;
        Outputs = PromptOutputs.Of(request);
        Tokens = [.. request.PromptTokens, .. request.ResumedTokens.Select(token => token.Sampled.Token)];
        CachedTokens = request.ResumedTokens is [.., var last] ? last.CachedTokens : 0;
        Place = new LinkedListNode<Sequence>(this);
        Trace = SequenceTrace.Of(request);
    }

    /// <summary>Orders sequences: the highest priority first, then the earliest. The last one is the first to be preempted.</summary>
    public static IComparer<Sequence> Rank { get; } = Comparer<Sequence>.Create(
        (a, b) => (b.Request.Priority, a.Arrival).CompareTo((a.Request.Priority, b.Arrival)));

    /// <summary>What its rules put into steps; null without rules. Made when it samples for the first time.</summary>
    public RuleState? Rules { get; set; }

    /// <summary>The request.</summary>
    public GenerationRequest Request { get; }

    /// <summary>Orders sequences of one priority.</summary>
    public long Arrival { get; }

    /// <summary>Length in tokens, prompt included, at which it ends.</summary>
    public int MaxTokens { get; }

    /// <summary>Who reads the tokens.</summary>
    public ISequenceClient Client { get; }

    /// <summary>Follows its grammar; its mask is made when a token comes. Null for free text.</summary>
    public GrammarMatcher? Matcher { get; }

    /// <summary>What is asked for of its prompt; null for nothing.</summary>
    public PromptOutputs? Outputs { get; }

    /// <summary>The prompt and every token generated so far.</summary>
    public List<int> Tokens { get; }

    /// <summary>Its KV blocks; empty unless it runs.</summary>
    public List<int> Blocks { get; } = [];

    /// <summary>The shapes that its positions were computed in; stays empty in pipelines whose bits do not depend on them.</summary>
    public ShapeRecord Shapes { get; } = new();

    /// <summary>Where it is.</summary>
    public SequenceState State { get; set; }

    /// <summary>Positions that are in the cache, or have been sent into the pipeline.</summary>
    public int Scheduled { get; set; }

    /// <summary>Prompt tokens that were in the cache when their turn came.</summary>
    public int CachedTokens { get; set; }

    /// <summary>Steps that carry it and have not come back.</summary>
    public int StepsInFlight { get; set; }

    /// <summary>The last step that carries it.</summary>
    public ulong LastStep { get; set; }

    /// <summary>Pipelines that were lost under it since its last token.</summary>
    public int LossesInARow { get; set; }

    /// <summary>Its spans; null when it is not traced.</summary>
    public SequenceTrace? Trace { get; }

    /// <summary>When it began to wait for a pipeline (the engine's clock).</summary>
    public long WaitingSince { get; set; }

    /// <summary>When it ends at the latest (the engine's clock); null without a deadline.</summary>
    public long? Deadline { get; set; }

    /// <summary>Its place in the one queue of the running sequences that it is in, if any.</summary>
    public LinkedListNode<Sequence> Place { get; }

    /// <summary>Whether no token has been sampled yet.</summary>
    public bool IsInPrompt => Tokens.Count == Request.PromptTokens.Count;

    /// <summary>
    /// The shape that positions from one on are computed in: as they were before, or else as the prompt is cut now; a token that was decoded has the
    /// least.
    /// </summary>
    /// <param name="first">The first of them.</param>
    /// <param name="end">The position after the last, at most <see cref="EndOfShape"/>.</param>
    public int ShapeOf(int first, int end) =>
        first < Shapes.Count ? Shapes.At(first)
        : first < Request.PromptTokens.Count ? Step.ShapeOf(end - first)
        : Step.LeastShape;

    /// <summary>The end of the positions from one on that may be computed together, in one shape.</summary>
    public int EndOfShape(int first)
    {
        int prompt = Request.PromptTokens.Count;
        if (first >= Shapes.Count) return first < prompt ? prompt : Tokens.Count;
        int end = Shapes.EndOfRun(first);
        return end == Shapes.Count && end >= prompt && Shapes.At(first) == Step.LeastShape ? Tokens.Count : end;
    }

    /// <summary>Moves past positions that need not be computed.</summary>
    public void Skip(int positions)
    {
        Scheduled += positions;
        if (IsInPrompt) CachedTokens += positions;
    }

    /// <summary>Positions from the first that may be taken from the cache.</summary>
    public int Skippable => Outputs?.Skippable ?? int.MaxValue;

    /// <summary>Forgets the steps in flight, which never come back, and begins to wait for another pipeline.</summary>
    public void LeavePipeline(long now)
    {
        (StepsInFlight, LastStep, WaitingSince) = (0, 0, now);
        Outputs?.Lose();
    }

    /// <summary>Forgets what has been computed; its blocks are no longer its own.</summary>
    public void StartOver()
    {
        Blocks.Clear();
        Scheduled = 0;
        if (IsInPrompt) CachedTokens = 0;
    }
}
