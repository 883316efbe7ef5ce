using System.Diagnostics.Metrics;
using Llama.Grains.Gateway;

namespace Llama.Grains.Tests.Gateway;

public sealed class GatewayMeterTests
{
    [Fact]
    public async Task Measurements_AfterRequests_AreThoseOfTheStatus()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        for (int i = 0; i < 2; i++) await cluster.GenerateAsync(TestModel.TinyStories.Request(0)).Soon();
        await Patience.UntilAsync(() => cluster.Status.Pipelines[0].FreeBlocks == cluster.Status.Pipelines[0].Blocks, () => "Blocks are held.");

        Dictionary<string, double> found = Measure(cluster.Gateway);

        PipelineStatus status = cluster.Status.Pipelines[0];
        (int prompt, int answer) = (TestModel.TinyStories.Golden[0].Prompt.Length, TestModel.TinyStories.Golden[0].Greedy.Length);
        Assert.Equal(2 * answer, found["llama.generated.tokens/0"]);
        Assert.Equal(status.SampledTokens, found["llama.generated.tokens/0"]);
        Assert.Equal(2 * prompt, found["llama.prompt.tokens/0"]);
        Assert.Equal((prompt - 1) / 16 * 16, found["llama.prompt.cached_tokens/0"], tolerance: 15);
        Assert.Equal((0, 0), (found["llama.sequences.running/0"], found["llama.sequences.waiting/0"]));
        Assert.Equal(0, found["llama.kv.blocks/0/used"]);
        Assert.Equal(status.Blocks, found["llama.kv.blocks/0/cached"] + found["llama.kv.blocks/0/empty"]);
        Assert.InRange(found["llama.kv.blocks/0/cached"], (prompt + answer) / 16, ((prompt + answer) / 16) + 2);
        Assert.Equal((cluster.Status.Epoch, 1), ((ulong)found["llama.epoch"], found["llama.ready"]));
        Assert.Equal((2, 1, 0, 0), (found["llama.silos/stage"], found["llama.silos/standby"], found["llama.silos/drained"], found["llama.silos/refused"]));
        Assert.InRange(found["llama.pipeline.active.time/0"], 0.001, 60);
    }

    [Fact]
    public async Task Measurements_OfAGatewayThatLeft_AreItsCountsAlone()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 1);
        await cluster.GenerateAsync(TestModel.TinyStories.Request(0)).Soon();
        cluster.Gateway.Leave("Another gateway owns the pipelines.");
        await Patience.UntilAsync(() => !cluster.Gateway.Owns, () => "It still owns them.");

        Dictionary<string, double> found = Measure(cluster.Gateway);

        Assert.Equal(TestModel.TinyStories.Golden[0].Greedy.Length, found["llama.generated.tokens/0"]);
        Assert.DoesNotContain(found.Keys, name => name.StartsWith("llama.kv", StringComparison.Ordinal) || name.StartsWith("llama.epoch", StringComparison.Ordinal));
    }

    /// <summary>All that a gateway tells, by name and tags.</summary>
    private static Dictionary<string, double> Measure(LocalGateway gateway)
    {
        Dictionary<string, double> found = [];
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (instrument.Meter == gateway.Meter) own.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => found.Add(Key(instrument, tags), value));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => found.Add(Key(instrument, tags), value));
        listener.Start();
        listener.RecordObservableInstruments();
        return found;
    }

    private static string Key(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        string.Join('/', [instrument.Name, .. tags.ToArray().Select(tag => $"{tag.Value}")]);
}
