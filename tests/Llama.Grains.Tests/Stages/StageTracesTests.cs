using System.Diagnostics;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Stages;
using Llama.Grains.Telemetry;
using Llama.Grains.Tests.Telemetry;
using Llama.Model.Layers;
using Llama.Tests;

namespace Llama.Grains.Tests.Stages;

public sealed class StageTracesTests : IDisposable
{
    private readonly SpanRecorder one = new();
    private readonly SpanRecorder two = new();
    private readonly ManualTime time = new();
    private readonly StageTraces traces;

    public StageTracesTests() => traces = new StageTraces("silo-1", new LayerSpan(0, 3), time);

    public void Dispose()
    {
        one.Dispose();
        two.Dispose();
    }

    [Fact]
    public void Add_StepsOfOnePhase_AreOneSpanFromTheFirstToTheLast()
    {
        byte[] part = Part(one, "prefill");
        DateTime start = time.GetUtcNow().UtcDateTime;
        for (int i = 0; i < 3; i++) Compute(TimeSpan.FromSeconds(1), (5, part));
        time.Advance(StageTraces.LongestPause - TimeSpan.FromSeconds(1));
        traces.End(all: false);
        Assert.Empty(one.Named("stage prefill"));

        time.Advance(TimeSpan.FromSeconds(1.1));
        traces.End(all: false);

        Activity span = Assert.Single(one.Named("stage prefill"));
        Assert.Equal((start, TimeSpan.FromSeconds(3)), (span.StartTimeUtc, span.Duration));
        Assert.Equal((3, 15), (span.GetTagItem("llama.steps"), span.GetTagItem("llama.tokens.computed")));
        Assert.Equal("0-3", span.GetTagItem("llama.layers"));
    }

    [Fact]
    public void Add_StepOfSeveralTraces_EachSpanIsAChildOfItsOwnAndLinkedToTheOther()
    {
        Compute(TimeSpan.FromSeconds(1), (5, Part(one, "prefill")), (1, Part(two, "decode")));
        traces.End(all: true);

        Activity prefill = Assert.Single(one.Named("stage prefill"));
        Activity decode = Assert.Single(two.Named("stage decode"));
        Assert.Equal(
            (decode.ParentSpanId, two.Request.TraceId),
            (Assert.Single(prefill.Links).Context.SpanId, Assert.Single(prefill.Links).Context.TraceId));
        Assert.Equal(prefill.ParentSpanId, Assert.Single(decode.Links).Context.SpanId);
        Assert.Equal(1, decode.GetTagItem("llama.tokens.computed"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331")]
    [InlineData("00-00000000000000000000000000000000-b7ad6b7169203331-01")]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]
    [InlineData("00-0af7651916cd43xx8448eb211c80319c-b7ad6b7169203331-01")]
    public void TryRead_NoTraceParent_IsPassedOver(string text)
    {
        byte[] part = [.. "tRac"u8, 0, 0, 0, 0, (byte)text.Length, 0, 0, 0, .. System.Text.Encoding.ASCII.GetBytes(text)];
        ReadOnlySpan<byte> parts = part;
        OptionalParts.Check(parts, 1, isLast: true);

        Assert.False(TracePart.TryRead(ref parts, out _));
        Assert.Equal(0, parts.Length);
    }

    private static byte[] Part(SpanRecorder trace, string phase)
    {
        using Activity span = Instruments.Spans.StartActivity(phase, ActivityKind.Internal, trace.Request)!;
        return TracePart.Encode(span, phase);
    }

    private void Compute(TimeSpan takes, params (int Tokens, byte[] Part)[] sequences)
    {
        long arrived = time.GetTimestamp();
        time.Advance(takes);
        var step = new Step();
        for (int i = 0; i < sequences.Length; i++)
        {
            sequences[i].Part[4] = (byte)i;
            step.AddSequence(0, new int[sequences[i].Tokens], [0]);
            step.AddParts(sequences[i].Part);
        }

        traces.Add(step, arrived);
    }
}
