using System.Diagnostics;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Telemetry;
using Llama.Model.Layers;

namespace Llama.Grains.Stages;

/// <summary>
/// The spans of one stage: of each request that is traced, one for its prefill and one for its decode, from the first step of the phase that came to the last
/// that was computed. A step serves many requests, so such a span is a child of its own request's phase only, and has links to the phases of
/// the others that it shared steps with.
/// </summary>
/// <param name="silo">The silo's name.</param>
/// <param name="layers">The stage's layers.</param>
/// <param name="time">Tells which phases have ended: nobody says so.</param>
internal sealed class StageTraces(string silo, LayerSpan layers, TimeProvider time)
{
    /// <summary>A phase without a step for so long is over. One that goes on after all gets another span.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(3);

    private const int MostLinks = 8;
    private const int MostOpen = 4096;

    private readonly Lock gate = new();
    private readonly Dictionary<(UInt128 Trace, ulong Span), OpenSpan> open = [];

    /// <summary>A step was computed.</summary>
    /// <param name="step">The step.</param>
    /// <param name="arrived">When it came (the clock's timestamp).</param>
    public void Add(Step step, long arrived)
    {
        if (!Instruments.Spans.HasListeners()) return;
        DateTimeOffset end = time.GetUtcNow();
        DateTimeOffset start = end - time.GetElapsedTime(arrived);
        lock (gate)
        {
            ReadOnlySpan<byte> parts = step.Parts;
            while (TracePart.TryRead(ref parts, out TracedSequence traced))
            {
                if (!open.TryGetValue((traced.Trace, traced.Span), out OpenSpan? span))
                {
                    if (open.Count == MostOpen) continue;
                    span = new OpenSpan(traced, start);
                    open.Add((traced.Trace, traced.Span), span);
                }

                span.End = end;
                span.Steps++;
                span.Tokens += step.Sequences[traced.Sequence].TokenCount;
                if (span.Others.Count < MostLinks) AddOthers(span, step.Parts);
            }
        }
    }

    /// <summary>Ends the spans of phases that are over.</summary>
    /// <param name="all">Whether all are, because the epoch is.</param>
    public void End(bool all)
    {
        lock (gate)
        {
            if (open.Count == 0) return;
            DateTimeOffset limit = time.GetUtcNow() - LongestPause;
            foreach (OpenSpan span in (List<OpenSpan>)[.. open.Values.Where(span => all || span.End < limit)])
            {
                open.Remove((span.Phase.Trace, span.Phase.Span));
                Tell(span);
            }
        }
    }

    private static void AddOthers(OpenSpan span, ReadOnlySpan<byte> parts)
    {
        while (TracePart.TryRead(ref parts, out TracedSequence other) && span.Others.Count < MostLinks)
        {
            if (other.Trace != span.Phase.Trace) span.Others.Add(other with { Sequence = 0 });
        }
    }

    private void Tell(OpenSpan span)
    {
        Activity? before = Activity.Current;
        using (Activity? activity = Instruments.Spans.StartActivity(
            span.Phase.Decodes ? "stage decode" : "stage prefill", ActivityKind.Internal, span.Phase.Context,
            [
                new("llama.silo", silo), new("llama.layers", $"{layers.First}-{layers.End}"), new("llama.steps", span.Steps),
                new("llama.tokens.computed", span.Tokens),
            ],
            span.Others.Select(other => new ActivityLink(other.Context)), span.Start))
        {
            activity?.SetEndTime(span.End.UtcDateTime);
        }

        Activity.Current = before;
    }

    private sealed class OpenSpan(TracedSequence phase, DateTimeOffset start)
    {
        public TracedSequence Phase => phase;

        public DateTimeOffset Start => start;

        public DateTimeOffset End { get; set; }

        public int Steps { get; set; }

        public int Tokens { get; set; }

        public HashSet<TracedSequence> Others { get; } = [];
    }
}
