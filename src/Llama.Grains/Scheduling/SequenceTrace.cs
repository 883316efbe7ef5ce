using System.Buffers.Binary;
using System.Diagnostics;
using Llama.Grains.Generation;
using Llama.Grains.Links;
using Llama.Grains.Telemetry;
using Llama.Model.Layers;

namespace Llama.Grains.Scheduling;

/// <summary>
/// The spans of one request that is traced, where its pipeline is owned: <c>queue</c>, <c>prefill</c> and <c>decode</c>, one after the other, and
/// beside them a <c>recovery</c> from the loss of the pipeline to the next token. Their parent is the request. Steps carry the span of the
/// present phase to the stages, whose spans become its children.
/// </summary>
internal sealed class SequenceTrace
{
    private readonly ActivityContext request;
    private byte[] part = [];
    private Activity? phase;
    private Activity? recovery;
    private int steps;
    private int tokens;

    private SequenceTrace(ActivityContext request) => this.request = request;

    /// <summary>The trace of a request; null when it is not traced, or nobody listens here.</summary>
    public static SequenceTrace? Of(GenerationRequest request) =>
        request.TraceParent is { } parent && Instruments.Spans.HasListeners()
        && ActivityContext.TryParse(parent, null, isRemote: true, out ActivityContext context)
            ? new SequenceTrace(context)
            : null;

    /// <summary>It waits for blocks or a pipeline.</summary>
    public void Wait() => Enter("queue");

    /// <summary>It has blocks, and what is known of it is computed.</summary>
    /// <param name="known">Tokens that are known.</param>
    /// <param name="cached">Those of them that need not be computed.</param>
    public void Prefill(int known, int cached)
    {
        Enter("prefill");
        phase?.SetTag("llama.tokens.known", known).SetTag("llama.tokens.cached", cached);
    }

    /// <summary>A token was sampled.</summary>
    public void Next()
    {
        if (recovery is not null) Stop(ref recovery);
        tokens++;
        if (phase?.OperationName == "prefill") Enter("decode");
    }

    /// <summary>Its pipeline was lost.</summary>
    /// <param name="cause">Why, in a sentence.</param>
    /// <param name="epoch">The plan of the pipeline.</param>
    public void Lose(string cause, ulong epoch)
    {
        if (recovery is not null) return;
        recovery = Start("recovery");
        recovery?.SetTag("llama.recovery.cause", cause).SetTag("llama.epoch", (long)epoch);
    }

    /// <summary>It has ended.</summary>
    /// <param name="fault">Why it ended early; null when it is complete or was cancelled.</param>
    public void End(GenerationException? fault)
    {
        if (fault is not null)
        {
            phase?.SetStatus(ActivityStatusCode.Error, fault.Message);
            recovery?.SetStatus(ActivityStatusCode.Error, fault.Message);
        }

        if (recovery is not null) Stop(ref recovery);
        StopPhase();
    }

    /// <summary>Adds the present phase to a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="sequence">The index of the sequence in it.</param>
    public void AddTo(Step step, int sequence)
    {
        if (part.Length == 0) return;
        steps++;
        BinaryPrimitives.WriteInt32LittleEndian(part.AsSpan(4), sequence);
        step.AddParts(part);
    }

    private void Enter(string name)
    {
        StopPhase();
        phase = Start(name);
        part = phase is null || name == "queue" ? [] : TracePart.Encode(phase, name);
    }

    private void StopPhase()
    {
        if (phase is null) return;
        if (steps > 0) phase.SetTag("llama.steps", steps);
        if (tokens > 0) phase.SetTag("llama.tokens.sampled", tokens);
        (steps, tokens, part) = (0, 0, []);
        Stop(ref phase);
    }

    private Activity? Start(string name)
    {
        Activity? before = Activity.Current;
        Activity? span = Instruments.Spans.StartActivity(name, ActivityKind.Internal, request);
        Activity.Current = before;
        return span;
    }

    /// <summary>Spans of many sequences are open at once in one loop, so none may stay the current one.</summary>
    private static void Stop(ref Activity? span)
    {
        Activity? before = Activity.Current;
        span?.Stop();
        span = null;
        Activity.Current = before;
    }
}
