using System.Diagnostics;
using Llama.Grains.Tests.Gateway;

namespace Llama.Grains.Tests.Telemetry;

/// <summary>The spans of a request on its way through a whole cluster with real links.</summary>
public sealed class RequestTraceTests
{
    [Fact]
    public async Task GenerateAsync_TracedRequest_HasItsPhasesAndThoseOfEachStageInOneTrace()
    {
        using var spans = new SpanRecorder();
        await using (TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2))
        {
            var traced = TestModel.TinyStories.Request(0) with { TraceParent = spans.TraceParent };
            await Task.WhenAll(cluster.GenerateAsync(traced), cluster.GenerateAsync(TestModel.TinyStories.Request(1))).Soon();
        }

        (string Name, ActivitySpanId Parent)[] found = [.. spans.Ended.Select(span => (span.OperationName, span.ParentSpanId))];
        Activity prefill = Assert.Single(spans.Named("prefill"));
        Activity decode = Assert.Single(spans.Named("decode"));
        (string, ActivitySpanId)[] expected =
        [
            ("queue", spans.Request.SpanId), ("prefill", spans.Request.SpanId), ("decode", spans.Request.SpanId),
            ("stage prefill", prefill.SpanId), ("stage prefill", prefill.SpanId),
            ("stage decode", decode.SpanId), ("stage decode", decode.SpanId),
        ];
        Assert.Equal(expected.OrderBy(span => span.Item1), found.OrderBy(span => span.Name));
        int tokens = TestModel.TinyStories.Golden[0].Greedy.Length;
        Assert.Equal(TestModel.TinyStories.Golden[0].Prompt.Length, prefill.GetTagItem("llama.tokens.known"));
        Assert.Equal((tokens - 1, tokens - 1), (decode.GetTagItem("llama.steps"), decode.GetTagItem("llama.tokens.sampled")));
        Assert.Equal(["silo-1", "silo-2"], spans.Named("stage decode").Select(span => span.GetTagItem("llama.silo")).Order());
        Assert.All(spans.Named("stage decode"), span =>
        {
            Assert.Equal((tokens - 1, tokens - 1), (span.GetTagItem("llama.steps"), span.GetTagItem("llama.tokens.computed")));
            Assert.InRange(span.StartTimeUtc, prefill.StartTimeUtc, decode.StartTimeUtc + decode.Duration);
        });
    }

    [Fact]
    public async Task GenerateAsync_AStageIsLost_TheRecoveryIsASpanWithItsCause()
    {
        using var spans = new SpanRecorder();
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        var traced = TestModel.TinyStories.Request(0) with { TraceParent = spans.TraceParent };

        List<int> tokens = await cluster.GenerateAsync(traced, at => at == 5 ? cluster.KillAsync("silo-2") : Task.CompletedTask).Soon();

        Assert.Equal(TestModel.TinyStories.Golden[0].Greedy, tokens);
        Activity recovery = Assert.Single(spans.Named("recovery"));
        Assert.Equal((spans.Request.SpanId, 1L), (recovery.ParentSpanId, recovery.GetTagItem("llama.epoch")));
        Assert.Contains("silo-2", (string)recovery.GetTagItem("llama.recovery.cause")!, StringComparison.Ordinal);
        Assert.Equal(2, spans.Named("prefill").Count());
    }

    [Fact]
    public async Task GenerateAsync_RequestWithoutATrace_HasNoSpans()
    {
        using var spans = new SpanRecorder();
        await using (TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 1))
            await cluster.GenerateAsync(TestModel.TinyStories.Request(0)).Soon();

        Assert.Empty(spans.Ended);
    }
}
