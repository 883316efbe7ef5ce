using System.Collections.Concurrent;
using Llama.Grains.Gateway;
using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Gateway;

/// <summary>
/// Computes steps of the toy model, one after the other and in order, when the test says so. It keeps tokens in blocks, as a stage keeps
/// keys and values, and draws from what the block table says: a wrong table, position, or a block given away too early changes the tokens.
/// </summary>
internal sealed class ToyPipeline(int stages, int kvBlocks, ulong epoch = 1) : IPipeline
{
    private const int Nothing = -1;

    private readonly Lock gate = new();
    private readonly Queue<Step> underWay = [];
    private readonly int[] tokens = [.. Enumerable.Repeat(Nothing, kvBlocks * 16)];
    private readonly int[] positions = [.. Enumerable.Repeat(Nothing, kvBlocks * 16)];
    private Action<StepResult>? onResult;
    private Action<string>? onLost;
    private string? lost;
    private ulong lastNumber;

    public int Stages { get; } = stages;

    public int KvBlocks { get; } = kvBlocks;

    public ulong Epoch { get; } = epoch;

    /// <summary>Why it was failed; null while it works.</summary>
    public string? Lost
    {
        get
        {
            lock (gate) return lost;
        }
    }

    /// <summary>Every step is computed as soon as it is sent.</summary>
    public bool AtOnce { get; set; }

    /// <summary>Thrown at the next step that is sent.</summary>
    public Exception? SendFault { get; init; }

    /// <summary>Tokens and sequences of every step, in order.</summary>
    public ConcurrentQueue<(int Tokens, int Sequences)> Sent { get; } = new();

    /// <summary>First token of every sequence that began, in order.</summary>
    public ConcurrentQueue<int> Begun { get; } = new();

    /// <summary>Steps that were sent and have not been computed.</summary>
    public int UnderWay
    {
        get
        {
            lock (gate) return underWay.Count;
        }
    }

    public void Start(Action<StepResult> resultTo, Action<string> lostTo)
    {
        lock (gate)
        {
            onResult = resultTo;
            onLost = lostTo;
            if (lost is not null) onLost(lost);
        }
    }

    public void Send(Step step)
    {
        if (SendFault is not null) throw SendFault;
        lock (gate)
        {
            if (lost is not null) return;
            Sent.Enqueue((step.Tokens.Length, step.Sequences.Length));
            Assert.Equal((Epoch, ++lastNumber), (step.Epoch, step.Number));
            Assert.InRange(step.Tokens.Length, 1, Step.MaxTokens);
            foreach (StepSequence sequence in step.Sequences)
            {
                if (sequence.FirstPosition == 0) Begun.Enqueue(step.Tokens[sequence.TokenOffset]);
            }

            underWay.Enqueue(step);
            Assert.InRange(underWay.Count, 1, Stages);
            if (AtOnce) Complete();
        }
    }

    public void Fail(string reason)
    {
        lock (gate)
        {
            if (lost is not null) return;
            lost = reason;
            onLost?.Invoke(reason);
        }
    }

    /// <summary>Computes what is under way, and from now on every step as soon as it is sent.</summary>
    public void CompleteFromNowOn()
    {
        lock (gate)
        {
            AtOnce = true;
            while (Complete())
            {
            }
        }
    }

    /// <summary>Computes the oldest step; false when there is none.</summary>
    public bool Complete() => Complete(result => result);

    /// <summary>Computes the oldest step, and answers what the test makes of its result.</summary>
    public bool Complete(Func<StepResult, StepResult> spoil)
    {
        lock (gate)
        {
            if (lost is not null || !underWay.TryDequeue(out Step? step)) return false;
            onResult!(spoil(Compute(step)));
            return true;
        }
    }

    private StepResult Compute(Step step)
    {
        var drawn = new List<DrawnToken>();
        foreach (StepSequence sequence in step.Sequences)
        {
            ReadOnlySpan<int> blocks = step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount);
            int end = sequence.FirstPosition + sequence.TokenCount;
            Assert.InRange(blocks.Length * 16, end, KvBlocks * 16);
            for (int position = sequence.FirstPosition; position < end; position++)
            {
                int slot = (blocks[position / 16] * 16) + (position % 16);
                tokens[slot] = step.Tokens[sequence.TokenOffset + position - sequence.FirstPosition];
                positions[slot] = position;
            }

            if (!sequence.Draws) continue;
            int[] all = new int[end];
            for (int position = 0; position < end; position++)
            {
                int slot = (blocks[position / 16] * 16) + (position % 16);
                all[position] = positions[slot] == position ? tokens[slot] : Nothing;
            }

            var token = new Candidate(ToyModel.Next(all, sequence.Number), -0.5f);
            drawn.Add(new DrawnToken(token, [.. Enumerable.Repeat(token, sequence.Candidates)]));
        }

        return new StepResult(step.Epoch, step.Number, [.. drawn]);
    }
}
