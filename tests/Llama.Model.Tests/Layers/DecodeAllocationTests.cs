using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Layers;

/// <summary>What a decode step allocates on all threads together; so no other test may run meanwhile.</summary>
[CollectionDefinition(nameof(DecodeAllocationTests), DisableParallelization = true)]
[Collection(nameof(DecodeAllocationTests))]
public sealed class DecodeAllocationTests
{
    private const int Windows = 8;
    private const int StepsInWindow = 16;
    private const int Layers = 3;

    private const string Tied = "llama-3.2-tied/hf";

    [Theory]
    [InlineData(Tied, 1, ElementType.F32)]
    [InlineData(Tied, 2, ElementType.F32)]
    [InlineData(Tied, 2, ElementType.F16)]
    [InlineData(Tied, 2, ElementType.Q8_0)]
    [InlineData(BiasedModel.Name, 2, ElementType.F32)]
    public void CpuForwardRun_DecodeSteps_AllocateNothing(string name, int threads, ElementType kvType)
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenResults.Folder(name), new CheckpointOptions());
        using var forward = new CpuForward(checkpoint, 0, Layers, kvType, 16, threads);
        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], 2, checkpoint.Config.Dim);
        var step = new Step();
        int sampledTokens = 0;
        long[] allocated = new long[Windows];
        for (int position = 0; position < Windows * StepsInWindow; position++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Fill(step, position);
            using (SampledTokens sampled = forward.Run(step, hidden)!) sampledTokens += sampled.Count;
            allocated[position / StepsInWindow] += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        Assert.Equal(2 * Windows * StepsInWindow, sampledTokens);

        // The runtime's own threads may allocate in one window or another; a step that allocates does in all of them.
        Assert.Equal(0, allocated.Min());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task CpuLayerRangeRunAsync_DecodeSteps_AllocateNothing(int threads)
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenResults.Folder(Tied), new CheckpointOptions());
        await using CpuLayerRange range = CpuLayerRange.Load(checkpoint, 0, Layers, ElementType.F32, 16, threads);
        long[] allocated = await Task.Run(() => DecodeAsync(range), TestContext.Current.CancellationToken);
        Assert.Equal(0, allocated.Min());
    }

    /// <summary>Bytes allocated in each window: one asynchronous method, as the loop of a stage is one.</summary>
    private static async Task<long[]> DecodeAsync(CpuLayerRange range)
    {
        var step = new Step();
        int sampledTokens = 0;
        long[] allocated = new long[Windows];
        for (int position = 0; position < Windows * StepsInWindow; position++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Fill(step, position);
            using (StepOutput output = await range.RunAsync(step, range.RentHiddenStates(2), CancellationToken.None))
                sampledTokens += output.Sampled!.Count;
            allocated[position / StepsInWindow] += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        Assert.Equal(2 * Windows * StepsInWindow, sampledTokens);
        return allocated;
    }

    /// <summary>One token of each of two sequences, one of them with top logprobs.</summary>
    private static void Fill(Step step, int position)
    {
        step.Clear();
        var sampling = new SamplingParameters { Temperature = 0.8f, TopP = 0.9f };
        step.AddSamplingSequence(position, [position], [2, 0, 1, 3, 4, 5, 6, 7], sampling, 0.4, 5);
        step.AddSamplingSequence(position, [position], [9, 8, 10, 11, 12, 13, 14, 15], new SamplingParameters { Temperature = 0 }, 0.4, 0);
    }
}
