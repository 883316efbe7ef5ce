using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Links;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;

namespace Llama.Grains.Tests.Stages;

/// <summary>What a decode step allocates on its way through a stage, on all threads together; so no other test may run meanwhile.</summary>
[CollectionDefinition(nameof(StepAllocationTests), DisableParallelization = true)]
[Collection(nameof(StepAllocationTests))]
public sealed class StepAllocationTests
{
    private const int Windows = 8;
    private const int StepsInWindow = 50;
    private const int MostBytes = 160;

    [Fact]
    public async Task ReceiveAsync_DecodeSteps_AllocateNoMessages()
    {
        using Checkpoint checkpoint = TestModel.Llama3.Open();
        await using CpuLayerRange range = CpuLayerRange.Load(checkpoint, 0, 4, ElementType.F32, 16, 1);
        await using var stage = new StageConveyor(range, StageConveyorTests.Assignment(0, 4, null), LinkPair.Identity("silo-0"));
        using LinkPair steps = await LinkPair.OpenAsync();
        using LinkPair results = await LinkPair.OpenAsync();
        Task returning = stage.ReturnResultsAsync(results.Listener, Patience.Token);
        Task receiving = stage.ReceiveAsync(steps.Listener, Patience.Token);
        long[] allocated = await Task.Run(() => DecodeAsync(steps.Dialler, results.Dialler), Patience.Token);
        await stage.DisposeAsync();
        await Task.WhenAll(returning, receiving).Soon();

        // The runtime's own threads may allocate in one window or another; a step that allocates does in all of them. What is left is the
        // channel's record of a wait that can be cancelled.
        Assert.InRange(allocated.Min() / StepsInWindow, 0, MostBytes);
    }

    /// <summary>Bytes allocated in each window.</summary>
    private static async Task<long[]> DecodeAsync(Stream steps, Stream results)
    {
        var writer = new FrameWriter();
        var reader = new FrameReader(results);
        var step = new Step();
        long[] allocated = new long[Windows];
        for (int i = 0; i < Windows * StepsInWindow; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            step.Clear();
            step.Epoch = 5;
            step.AddDrawingSequence(i % 200, [i % 200], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], new SamplingParameters(), 0.4, 5);
            await writer.SendAsync(steps, step, default, CancellationToken.None);
            (FrameKind kind, _) = await reader.ReadFrameAsync(ResultCodec.MaxBytes, CancellationToken.None);
            if (kind != FrameKind.Result) Assert.Fail($"A frame of kind {kind} came.");
            allocated[i / StepsInWindow] += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        return allocated;
    }
}
