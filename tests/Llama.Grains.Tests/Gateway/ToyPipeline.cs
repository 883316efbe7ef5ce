using System.Collections.Concurrent;
using Llama.Grains.Gateway;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Tests.Scheduling;
using Llama.Model.Layers;

namespace Llama.Grains.Tests.Gateway;

/// <summary>Computes steps of the toy model, one after the other and in order, when the test says so.</summary>
internal sealed class ToyPipeline(int stages, int kvBlocks, ulong epoch = 1) : IPipeline
{
    public bool RepeatsShapes => false;

    private readonly Lock gate = new();
    private readonly Queue<Step> inFlight = [];
    private readonly ToyMemory memory = new(kvBlocks);
    private Action<StepResult>? onResult;
    private Action<string>? onLost;
    private string? lost;
    private ulong lastNumber;

    public int Stages { get; } = stages;

    public int KvBlocks { get; } = kvBlocks;

    public int MaxStepTokens => 256;

    public ulong Epoch { get; } = epoch;

    public LayerSpan? LostLayers => null;

    public IReadOnlyList<int>? Carried => null;

    public bool Retired { get; init; }

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
    public int InFlight
    {
        get
        {
            lock (gate) return inFlight.Count;
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
            Assert.InRange(step.Tokens.Length, 1, MaxStepTokens);
            foreach (StepSequence sequence in step.Sequences)
            {
                if (sequence.FirstPosition == 0) Begun.Enqueue(step.Tokens[sequence.TokenOffset]);
            }

            inFlight.Enqueue(step);
            Assert.InRange(inFlight.Count, 1, 2 * Stages);
            if (AtOnce) Complete();
        }
    }

    public void Reject(string reason) => Fail(reason);

    public void Fail(string reason)
    {
        lock (gate)
        {
            if (lost is not null) return;
            lost = reason;
            onLost?.Invoke(reason);
        }
    }

    /// <summary>Computes what is in flight, and from now on every step as soon as it is sent.</summary>
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
            if (lost is not null || !inFlight.TryDequeue(out Step? step)) return false;
            onResult!(spoil(memory.Compute(step)));
            return true;
        }
    }
}
