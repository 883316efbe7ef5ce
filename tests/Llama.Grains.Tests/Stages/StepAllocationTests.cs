using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Llama.Grains.Gateway;
using Llama.Grains.Links;
using Llama.Grains.Telemetry;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Telemetry;
using Llama.Model.Checkpoints;
using Llama.Model.Grammars;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Grains.Tests.Stages;

/// <summary>
/// What a step allocates on its whole way, on all threads together: sent as the gateway sends it, through two stages of real layers over real
/// links, and its result read as the gateway reads it. So no other test may run meanwhile.
/// </summary>
[CollectionDefinition(nameof(StepAllocationTests), DisableParallelization = true)]
[Collection(nameof(StepAllocationTests))]
public sealed class StepAllocationTests
{
    private const int Windows = 8;
    private const int StepsInWindow = 50;
    private static int measured;
    private static readonly string Folder = Path.Combine(TestPaths.Fixtures, "llama-3.2-tied", "hf");

    private static readonly int[] Prompt = [7, 8, 7];
    private static readonly TokenBias[] Biases = [new TokenBias(9, 1)];
    private static readonly byte[] Mask = TokenMask.Of(Enumerable.Range(0, 100), TestModel.Fixture("llama-3.2-tied/hf").Config.VocabSize);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Step_ThroughTwoStagesAndBack_AllocatesNothing(bool isListenedTo)
    {
        measured = 0;

        // Of a process that sends metrics, and traces of other requests than this one's.
        using var spans = new SpanRecorder();
        using var metrics = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (instrument.Meter.Name == Instruments.Name) own.EnableMeasurementEvents(instrument);
            },
        };
        metrics.SetMeasurementEventCallback<int>((_, value, _, _) => measured += value);
        if (isListenedTo) metrics.Start();
        else spans.Dispose();
        using Checkpoint first = Checkpoint.Open(Folder, new CheckpointOptions());
        using Checkpoint second = Checkpoint.Open(Folder, new CheckpointOptions());
        await using CpuLayerRange lower = CpuLayerRange.Load(first, 0, 1, ElementType.F32, 4, 1);
        await using CpuLayerRange upper = CpuLayerRange.Load(second, 1, 3, ElementType.F32, 4, 1);
        await using LinkedStages stages = await LinkedStages.StartAsync(lower, upper);
        long[] allocated = await DecodeAsync(stages).AsTask().Soon();

        Assert.Equal(isListenedTo ? 2 * Windows * StepsInWindow : 0, measured);

        // The runtime's own threads may allocate in one window or another; a step that allocates does in all of them.
        Assert.Equal(0, allocated.Min());
    }

    /// <summary>Bytes allocated in each window.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<long[]> DecodeAsync(LinkedStages stages)
    {
        var writer = new FrameWriter();
        var reader = new FrameReader(stages.Results);
        ConcurrentBag<SampledTokens> pool = [];
        var step = new Step { Epoch = LinkedStages.Epoch };
        long[] allocated = new long[Windows];
        for (int position = 0; position < Windows * StepsInWindow; position++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            step.Clear();
            step.Number = (ulong)position + 1;
            step.AddSamplingSequence(position % StepsInWindow, [7], [0, 1, 2, 3], new SamplingParameters { Temperature = 0 }, 0, 2);
            step.AddPenalties(new Penalties(0.5f, 0.5f, 1.5f), Prompt, Prompt);
            step.AddBiases(Biases);
            step.AddDenied(Prompt);
            step.AddMask(Mask);
            EngineInstruments.Sent(step);
            await writer.SendAsync(stages.Steps, step, default, CancellationToken.None);
            (FrameKind kind, ReadOnlyMemory<byte> payload) = await reader.ReadFrameAsync(ResultCodec.MaxBytes, CancellationToken.None);
            StepResult result = ResultCodec.Read(payload.Span, SampledTokens.Rent(pool));
            (int sampled, int topLogprobs) = (result.Sampled.Count, result.Sampled[0].TopLogprobs.Length);
            result.Sampled.Dispose();
            allocated[position / StepsInWindow] += GC.GetTotalAllocatedBytes(precise: true) - before;
            Assert.Equal((FrameKind.Result, step.Number, 1, 2), (kind, result.Number, sampled, topLogprobs));
        }

        return allocated;
    }
}
