using System.Runtime.InteropServices;
using System.Threading.Channels;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <summary>What every layer range does, whatever computes it.</summary>
public abstract partial class LayerRangeContract
{
    private const int Layers = 4;
    private const int KvBlocks = Step.MaxTokens / Step.BlockTokens;

    private static readonly string Folder = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");
    private static readonly int[] Tokens = GoldenResults.Read(Path.Combine(TestPaths.Fixtures, "llama-3", "golden.json")).Tokens;
    private static readonly int[] BlockTable = [3, 1, 2, .. Enumerable.Range(5, 13)];

    /// <summary>Loads a range with KV in single precision.</summary>
    /// <param name="checkpoint">The model.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="kvBlocks">Blocks of each pool.</param>
    /// <param name="logs">Layers that it keeps logs for.</param>
    protected abstract ILayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RunAsync_MoreStepsThanTheQueueHolds_RunInTheOrderOfTheCalls()
    {
        // Every step needs the keys and values of all before it, and none waits for its result.
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = Load(checkpoint, 0, Layers, KvBlocks, []);
        Task<StepOutput>[] steps = [.. Enumerable.Range(0, Tokens.Length).Select(i => RunAsync(range, Decode(i)))];
        Assert.True(steps.Length > 20);

        await using ILayerRange expected = Load(checkpoint, 0, Layers, KvBlocks, []);
        for (int i = 0; i < steps.Length; i++)
        {
            StepOutput output = await steps[i];
            Assert.Null(output.HiddenStates);
            Assert.Equal((await RunAsync(expected, Decode(i))).Sampled![0].TopLogprobs, output.Sampled![0].TopLogprobs);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task RunAsync_TwoRangesInARow_SampleWhatOneDoes(int cut)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        using Checkpoint second = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange head = Load(checkpoint, 0, cut, KvBlocks, []);
        await using ILayerRange tail = Load(second, cut, Layers, KvBlocks, []);
        await using ILayerRange whole = Load(checkpoint, 0, Layers, KvBlocks, []);
        Assert.Equal((cut, Layers), (tail.FirstLayer, tail.EndLayer));
        for (int i = 0; i < 5; i++)
        {
            StepOutput between = await RunAsync(head, Decode(i));
            Assert.Null(between.Sampled);
            StepOutput output = await tail.RunAsync(Decode(i), between.HiddenStates!, Cancellation);
            Assert.Equal((await RunAsync(whole, Decode(i))).Sampled![0].TopLogprobs, output.Sampled![0].TopLogprobs);
        }
    }

    [Fact]
    public async Task Progress_StepsThatRan_CountsAndTimesTheirLayers()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = Load(checkpoint, 1, 3, KvBlocks, []);
        Assert.Equal(default, range.Progress);
        Step step = Decode(0);
        step.Number = 7;
        using (StepOutput output = await RunAsync(range, step)) Assert.NotNull(output.HiddenStates);
        RangeProgress first = range.Progress;
        Assert.Equal((7ul, 0), (first.Step, first.Steps));
        Assert.Equal(2, first.Layers);
        Assert.InRange(first.LayerTime, TimeSpan.FromTicks(1), TimeSpan.FromMinutes(1));
        using (StepOutput output = await RunAsync(range, step)) Assert.NotNull(output.HiddenStates);
        Assert.Equal(4, range.Progress.Layers);
        Assert.True(range.Progress.LayerTime > first.LayerTime);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RunAsync_RangeRebuilt_FromTheLogOrFromTheBeginning_SamplesTheSameBits(bool log)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange first = Load(checkpoint, 0, 1, KvBlocks, log ? [1] : []);
        await using ILayerRange middle = Load(checkpoint, 1, 3, KvBlocks, []);
        await using ILayerRange last = Load(checkpoint, 3, Layers, KvBlocks, []);
        await using ILayerRange whole = Load(checkpoint, 0, Layers, KvBlocks, []);
        for (int i = 0; i < 20; i++)
        {
            await RunAsync(whole, Decode(i));
            await RunAsync(Decode(i), first, middle, last);
        }

        // Another range takes the place of the one in the middle. In one step and two, a block copied between.
        await using ILayerRange other = Load(checkpoint, 1, 3, KvBlocks, []);
        foreach ((int from, int to) in ((int, int)[])[(0, 16), (16, 20)])
        {
            var rebuild = new Step { FirstLayer = log ? 1 : 0, EndLayer = 3 };
            rebuild.AddSequence(from, Tokens.AsSpan(from, to - from), BlockTable);
            if (from == 16) rebuild.AddCopy(BlockTable[0], 20);
            Assert.Equal(0, (await RunAsync(rebuild, first, other, last)).Sampled!.Count);
        }

        int[] copied = [20, .. BlockTable[1..]];
        for (int i = 20; i < 25; i++)
        {
            var step = new Step();
            step.AddSamplingSequence(i, Tokens.AsSpan(i, 1), copied, new SamplingParameters(), 0.3, 20);
            TokenLogprob[] expected = (await RunAsync(whole, Decode(i))).Sampled![0].TopLogprobs.ToArray();
            Assert.Equal(expected, (await RunAsync(step, first, other, last)).Sampled![0].TopLogprobs.ToArray());
        }
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task RepartitionAsync_LayersOfTheMiddleAreLost_RebuiltInPartsOfTwoRangesTheySampleTheSameBits(bool renumbers, bool rounds)
    {
        // Three ranges become two, whose new layers alone compute again; the log before them is now within the first one.
        var options = new CheckpointOptions { Weights = rounds ? ElementType.Q8_0 : null };
        using Checkpoint first = Checkpoint.Open(Folder, options);
        using Checkpoint second = Checkpoint.Open(Folder, options);
        using Checkpoint third = Checkpoint.Open(Folder, options);
        ILayerRange head = Load(first, 0, 1, KvBlocks, [1]);
        await using ILayerRange middle = Load(second, 1, 3, KvBlocks, []);
        ILayerRange tail = Load(third, 3, Layers, KvBlocks, []);
        await using ILayerRange whole = Load(second, 0, Layers, KvBlocks, []);
        for (int i = 0; i < 20; i++)
        {
            await RunAsync(whole, Decode(i));
            await RunAsync(Decode(i), head, middle, tail);
        }

        int[]? carried = renumbers ? [BlockTable[1], 9, BlockTable[0]] : null;
        int[] table = renumbers ? [2, 0, 1, 3, 4] : BlockTable;
        int blocks = renumbers ? 5 : KvBlocks;
        await using ILayerRange left = await head.RepartitionAsync(0, 2, blocks, [1, 2], carried);
        await using ILayerRange right = await tail.RepartitionAsync(2, Layers, blocks, [], carried);
        Assert.Equal((0, 2, 2, Layers), (left.FirstLayer, left.EndLayer, right.FirstLayer, right.EndLayer));
        ILayerRange[] now = [left, right];
        await RebuildAsync(1, 3);
        await AssertSameAsync(20, 25);

        // The layers of the second range are lost: the log at the cut was written while those before it were rebuilt, and by what followed.
        await using ILayerRange other = Load(second, 2, Layers, blocks, []);
        now = [left, other];
        await RebuildAsync(2, Layers, 25);
        await AssertSameAsync(25, 30);

        // The first range ends where it did at the beginning: its old log was written on while it lay within.
        await using ILayerRange shorter = await left.RepartitionAsync(0, 1, blocks, [1], null);
        await using ILayerRange longer = Load(third, 1, Layers, blocks, []);
        now = [shorter, longer];
        await RebuildAsync(1, Layers, 30);
        await AssertSameAsync(30, 32);

        async Task RebuildAsync(int from, int to, int end = 20)
        {
            var rebuild = new Step { FirstLayer = from, EndLayer = to };
            rebuild.AddSequence(0, Tokens.AsSpan(0, end), table);
            Assert.Equal(0, (await RunAsync(rebuild, now)).Sampled!.Count);
        }

        async Task AssertSameAsync(int from, int to)
        {
            for (int i = from; i < to; i++)
            {
                var step = new Step();
                step.AddSamplingSequence(i, Tokens.AsSpan(i, 1), table, new SamplingParameters(), 0.3, 20);
                TokenLogprob[] expected = (await RunAsync(whole, Decode(i))).Sampled![0].TopLogprobs.ToArray();
                Assert.Equal(expected, (await RunAsync(step, now)).Sampled![0].TopLogprobs.ToArray());
            }
        }
    }

    [Theory]
    [InlineData("llama-3", null)]
    [InlineData("llama-3", ElementType.Q8_0)]
    [InlineData("llama-3.2-tied", null)]
    [InlineData("llama-3.2-tied", ElementType.Q8_0)]
    [InlineData("llama-3.2-tied", ElementType.Q4_K)]
    public async Task RepartitionAsync_OneRangeAfterAnother_WeightsThatWereGivenBackAreLoadedAgain(string family, ElementType? weights)
    {
        string folder = Path.Combine(TestPaths.Fixtures, family, "hf");
        using Checkpoint checkpoint = Checkpoint.Open(folder, new CheckpointOptions { Weights = weights });
        using Checkpoint other = Checkpoint.Open(folder, new CheckpointOptions { Weights = weights });
        int layers = checkpoint.Config.Layers;
        await using ILayerRange whole = Load(other, 0, layers, KvBlocks, []);
        TokenLogprob[] expected = (await RunAsync(whole, Decode(0))).Sampled![0].TopLogprobs.ToArray();
        ILayerRange range = Load(checkpoint, 1, layers, KvBlocks, []);
        (int, int)[] cuts = [(0, layers), (0, layers - 1), (0, layers), (layers - 1, layers), (0, layers), (1, 2), (0, layers)];
        foreach ((int first, int end) in cuts)
        {
            range = await range.RepartitionAsync(first, end, KvBlocks, [], null);
            if (end - first < layers) continue;
            Assert.Equal(expected, (await RunAsync(range, Decode(0))).Sampled![0].TopLogprobs.ToArray());
            Assert.Equal(whole.WeightBytes, range.WeightBytes);
        }

        await range.DisposeAsync();
    }

    [Fact]
    public async Task RepartitionAsync_BlocksThatThereAreNot_IsRefused()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        foreach ((int blocks, int[]? carried) in ((int, int[]?)[])[(5, null), (1, [0, 1]), (KvBlocks, [KvBlocks]), (KvBlocks, [-1])])
        {
            ILayerRange range = Load(checkpoint, 0, 2, KvBlocks, []);
            await Assert.ThrowsAsync<ArgumentException>(() => range.RepartitionAsync(0, 3, blocks, [], carried));
            await Assert.ThrowsAsync<ChannelClosedException>(() => RunAsync(range, Decode(0)));
        }
    }

    [Fact]
    public async Task RunAsync_RebuildingStepThatCannotBe_Fails()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = Load(checkpoint, 0, 2, KvBlocks, []);
        Step plain = new() { EndLayer = 2 };
        plain.AddSequence(0, Tokens.AsSpan(0, 3), BlockTable);
        Assert.Null((await RunAsync(range, plain)).Sampled);
        (plain.FirstLayer, plain.EndLayer) = (2, 4);
        Assert.Contains("keeps none", (await Assert.ThrowsAsync<ArgumentException>(() => RunAsync(range, plain))).Message);
        (plain.FirstLayer, plain.EndLayer) = (1, 4);
        Assert.Contains("before layer 1", (await Assert.ThrowsAsync<ArgumentException>(() => RunAsync(range, plain))).Message);
        (plain.FirstLayer, plain.EndLayer) = (-1, 4);
        Assert.Contains("layers -1 to 4", (await Assert.ThrowsAsync<ArgumentException>(() => RunAsync(range, plain))).Message);
        Step samples = Decode(0);
        samples.EndLayer = 2;
        Assert.Contains("not all layers", (await Assert.ThrowsAsync<ArgumentException>(() => RunAsync(range, samples))).Message);
    }

    [Fact]
    public async Task RunAsync_StepThatFails_LeavesTheNextAndItsBuffer()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = Load(checkpoint, 0, Layers, KvBlocks, []);
        StepOutput before = await RunAsync(range, Decode(0));
        var buffers = new HashSet<byte[]>();
        for (int i = 0; i < 10; i++)
        {
            var wrong = new Step { Epoch = 2, Number = 7 };
            wrong.AddSequence(0, [-1], [0]);
            HiddenStates hidden = RentAndRemember(range, buffers);
            ArgumentException fault = await Assert.ThrowsAsync<ArgumentException>(
                () => range.RunAsync(wrong, hidden, Cancellation).AsTask());
            Assert.Contains("Step 2.7", fault.Message, StringComparison.Ordinal);
            StepOutput after = await range.RunAsync(Decode(0), RentAndRemember(range, buffers), Cancellation);
            Assert.Equal(before.Sampled![0].TopLogprobs, after.Sampled![0].TopLogprobs);
        }

        Assert.Single(buffers);
    }

    [Fact]
    public async Task RunAsync_HiddenStatesOfAnotherSize_FailsAsAValue()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = Load(checkpoint, 1, 2, KvBlocks, []);
        ArgumentException fault = await Assert.ThrowsAsync<ArgumentException>(
            () => range.RunAsync(Decode(0), range.RentHiddenStates(2), Cancellation).AsTask());
        Assert.Contains("512 bytes of hidden states; expected 256", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_ManyStepsOneAfterTheOther_ShareOneBuffer()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = Load(checkpoint, 0, Layers, KvBlocks, []);
        var buffers = new HashSet<byte[]>();
        for (int i = 0; i < 50; i++) await range.RunAsync(Decode(i % 16), RentAndRemember(range, buffers), Cancellation);
        Assert.Single(buffers);
    }

    [Fact]
    public async Task RunAsync_CancelledBeforeItBegins_IsDropped()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange range = Load(checkpoint, 0, Layers, KvBlocks, []);
        using var cancelled = new CancellationTokenSource();

        // Full steps keep the range busy while the one after them is cancelled in the queue.
        Task<StepOutput>[] before = [.. Enumerable.Range(0, 8).Select(_ => RunAsync(range, Prefill(range)))];
        Task<StepOutput> queued = range.RunAsync(Decode(0), range.RentHiddenStates(1), cancelled.Token).AsTask();
        await cancelled.CancelAsync();
        Task<StepOutput> late = range.RunAsync(Decode(0), range.RentHiddenStates(1), cancelled.Token).AsTask();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => late);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queued);
        Assert.True(queued.IsCanceled);
        Assert.All(await Task.WhenAll(before), output => Assert.NotNull(output.Sampled));
        Assert.NotNull((await RunAsync(range, Decode(0))).Sampled);
    }

    [Fact]
    public async Task DisposeAsync_StepsInTheQueueAndBeforeIt_EndsAllOfThem()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        ILayerRange range = Load(checkpoint, 0, Layers, KvBlocks, []);
        Task<StepOutput>[] steps = [.. Enumerable.Range(0, 30).Select(_ => RunAsync(range, Prefill(range)))];

        await range.DisposeAsync();
        await range.DisposeAsync();

        // What was in the queue has run; what waited for room in it was refused.
        await Task.WhenAny(Task.WhenAll(steps));
        int refused = steps.Count(step => step.Exception?.InnerException is ChannelClosedException);
        Assert.Equal(steps.Length, refused + steps.Count(step => step.IsCompletedSuccessfully));
        Assert.InRange(refused, 0, steps.Length - 16);
        await Assert.ThrowsAsync<ChannelClosedException>(() => RunAsync(range, Decode(0)));
    }

    [Theory]
    [InlineData(-1, 2, 4)]
    [InlineData(2, 2, 4)]
    [InlineData(0, 5, 4)]
    [InlineData(0, 4, 0)]
    public void Load_ImpossibleRange_Throws(int firstLayer, int endLayer, int kvBlocks)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        Assert.Throws<ArgumentOutOfRangeException>(() => Load(checkpoint, firstLayer, endLayer, kvBlocks, []));
    }

    /// <summary>Room for one token, the array behind it noted.</summary>
    private static HiddenStates RentAndRemember(ILayerRange range, HashSet<byte[]> buffers)
    {
        HiddenStates hidden = range.RentHiddenStates(1);
        Assert.True(MemoryMarshal.TryGetArray(hidden.Bytes, out ArraySegment<byte> segment));
        buffers.Add(segment.Array!);
        return hidden;
    }

    private static Task<StepOutput> RunAsync(ILayerRange range, Step step) =>
        range.RunAsync(step, range.RentHiddenStates(step.Tokens.Length), Cancellation).AsTask();

    /// <summary>Runs a step through ranges in a row.</summary>
    private static async Task<StepOutput> RunAsync(Step step, params ILayerRange[] ranges)
    {
        StepOutput output = await RunAsync(ranges[0], step);
        foreach (ILayerRange range in ranges[1..]) output = await range.RunAsync(step, output.HiddenStates!, Cancellation);
        return output;
    }

    /// <summary>One token of the sequence, with the top logprobs for the next.</summary>
    private static Step Decode(int position)
    {
        var step = new Step { Epoch = 1 };
        step.AddSamplingSequence(position, Tokens.AsSpan(position, 1), BlockTable, new SamplingParameters(), 0.3, 20);
        return step;
    }

    private static Step Prefill(ILayerRange range)
    {
        var step = new Step { Epoch = 1 };
        step.AddSamplingSequence(0, new int[range.MaxStepTokens], [.. Enumerable.Range(0, KvBlocks)], new SamplingParameters(), 0.3, 0);
        return step;
    }
}
