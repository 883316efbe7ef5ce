using System.Diagnostics;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Torch.Tests;

/// <summary>What loading and computing leave in memory; so no other test may run meanwhile.</summary>
[CollectionDefinition(nameof(TorchMemoryTests), DisableParallelization = true)]
[Collection(nameof(TorchMemoryTests))]
public sealed class TorchMemoryTests
{
    private const int Windows = 6;
    private const int StepsInWindow = 16;
    private static readonly string Folder = Path.Combine(TestPaths.Fixtures, "llama-3.2-tied", "hf");

    [Fact]
    public async Task Load_AThousandRanges_GivesTheMemoryBack()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        int layers = checkpoint.Config.Layers;
        await LoadAsync(50);
        long before = Resident();
        await LoadAsync(500);
        Assert.InRange(Resident() - before, long.MinValue, 24 << 20);

        // Each time a range is loaded, and another one follows it.
        async Task LoadAsync(int times)
        {
            for (int i = 0; i < times; i++)
            {
                TorchLayerRange range = TorchLayerRange.Load(checkpoint, TestPlace.With(TestPlace.Scripted), 0, layers - 1, ElementType.F16, 64, [1]);
                await using ILayerRange next = await range.RepartitionAsync(1, layers, 32, [], [3, 1]);
            }
        }
    }

    [Fact]
    public async Task RunAsync_DecodeSteps_AllocateAtMostTwoKilobytes()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = TorchLayerRange.Load(
            checkpoint, TestPlace.With(TestPlace.Scripted), 0, checkpoint.Config.Layers, ElementType.F32, 16, []);
        long[] allocated = await Task.Run(() => DecodeAsync(range), TestContext.Current.CancellationToken);

        // The runtime's own threads may allocate in one window or another; a step that allocates does in all of them.
        Assert.InRange(allocated.Min() / StepsInWindow, 0, 2048);
    }

    private static async Task<long[]> DecodeAsync(ILayerRange range)
    {
        var step = new Step();
        long[] allocated = new long[Windows];
        for (int position = 0; position < Windows * StepsInWindow; position++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            step.Clear();
            step.AddSamplingSequence(position, [position], [2, 0, 1, 3, 4, 5, 6, 7], new SamplingParameters(), 0.4, 5);
            step.AddSamplingSequence(position, [position], [9, 8, 10, 11, 12, 13, 14, 15], new SamplingParameters { Temperature = 0 }, 0.4, 0);
            using (StepOutput output = await range.RunAsync(step, range.RentHiddenStates(2), CancellationToken.None))
                Assert.Equal(2, output.Sampled!.Count);
            allocated[position / StepsInWindow] += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        return allocated;
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
