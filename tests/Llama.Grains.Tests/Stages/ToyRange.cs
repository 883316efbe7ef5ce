using System.Runtime.InteropServices;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Stages;

/// <summary>
/// Layers that add one to a number for each token; the first fills the numbers in from the tokens, the last samples the sum of its
/// sequence's. It counts the hidden states that somebody has, and runs steps when the test says so.
/// </summary>
internal sealed class ToyRange(int firstLayer, int endLayer, bool last) : ILayerRange
{
    private readonly SemaphoreSlim running = new(1);
    private int rented;

    public int FirstLayer { get; } = firstLayer;

    public int EndLayer { get; } = endLayer;

    public int MaxStepTokens { get; init; } = Step.MaxTokens;

    public long WeightBytes => 1;

    /// <summary>Hidden states that have been rented and not been given back.</summary>
    public int Rented => Volatile.Read(ref rented);

    /// <summary>Number of the step that fails; 0 for none.</summary>
    public ulong FailAt { get; init; }

    /// <summary>Lets steps run, if there is one; else they run at once.</summary>
    public SemaphoreSlim? Gate { get; init; }

    public RangeProgress Progress => new(0, 0, Inside, default);

    /// <summary>Steps that run or wait for the gate.</summary>
    public int Inside { get; private set; }

    public HiddenStates RentHiddenStates(int tokens)
    {
        Interlocked.Increment(ref rented);
        return new ToyHiddenStates(tokens, () => Interlocked.Decrement(ref rented));
    }

    public async ValueTask<StepOutput> RunAsync(Step step, HiddenStates hiddenStates, CancellationToken cancellationToken)
    {
        bool keep = false;
        try
        {
            await running.WaitAsync(cancellationToken);
            try
            {
                Inside++;
                if (Gate is not null) await Gate.WaitAsync(CancellationToken.None);
                if (step.Number == FailAt) throw new InvalidOperationException("out of paper");
                SampledTokens? sampled = Run(step, MemoryMarshal.Cast<byte, float>(hiddenStates.Bytes.Span));
                keep = sampled is null;
                return new StepOutput(keep ? hiddenStates : null, sampled);
            }
            finally
            {
                Inside--;
                running.Release();
            }
        }
        finally
        {
            if (!keep) hiddenStates.Dispose();
        }
    }

    public Task<ILayerRange> RepartitionAsync(
        int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs, IReadOnlyList<int>? carried) =>
        Task.FromResult<ILayerRange>(new ToyRange(firstLayer, endLayer, last));

    public ValueTask DisposeAsync() => default;

    private SampledTokens? Run(Step step, Span<float> numbers)
    {
        for (int i = 0; i < numbers.Length; i++) numbers[i] = (FirstLayer == 0 ? step.Tokens[i] : numbers[i]) + EndLayer - FirstLayer;
        if (!last) return null;
        var sampled = new SampledTokens();
        foreach (StepSequence sequence in step.Sequences)
        {
            int sum = 0;
            foreach (float number in numbers.Slice(sequence.TokenOffset, sequence.TokenCount)) sum += (int)number;
            if (sequence.Samples) sampled.Add(new TokenLogprob(sum, 0), []);
        }

        return sampled;
    }

    private sealed class ToyHiddenStates(int tokens, Action giveBack) : HiddenStates
    {
        private bool disposed;

        public override Memory<byte> Bytes { get; } = new byte[tokens * sizeof(float)];

        protected override void Dispose(bool disposing)
        {
            Assert.False(disposed, "The hidden states were given back twice.");
            disposed = true;
            giveBack();
        }
    }
}
