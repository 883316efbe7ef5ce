using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Llama.Grains.Links;
using Llama.Model;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Gateway;

/// <summary>
/// Owns one replica's sequences: a single loop takes messages from a mailbox (requests, cancellations, results, pipelines that come and
/// go), and after each batch of them sends as many steps as the pipeline can compute at once. When the pipeline is lost, every sequence
/// goes back to waiting with the tokens that it has; the next pipeline computes them again and goes on, with the same bits.
/// </summary>
internal sealed class Scheduler : IAsyncDisposable
{
    /// <summary>A request that breaks every pipeline must not keep it from the others for ever.</summary>
    private const int MostLossesInARow = 4;

    private readonly ModelConfig config;
    private readonly SchedulerLimits limits;
    private readonly TimeProvider time;

    /// <summary>
    /// Holds a few messages for each live sequence, of which <see cref="SchedulerLimits.MaxWaiting"/> and the blocks bound the number.
    /// </summary>
    private readonly Channel<Action> mailbox = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });

    private readonly SortedList<long, Sequence> waiting = [];
    private readonly List<Sequence> running = [];
    private readonly Queue<StepUnderWay> underWay = [];
    private readonly Stack<Step> spareSteps = [];
    private readonly ITimer ticker;
    private readonly Task loop;
    private IPipeline? pipeline;
    private BlockPool blocks = new(0);
    private ulong lastStep;
    private long lastArrival;
    private int requests;

    /// <summary>Starts with no pipeline.</summary>
    public Scheduler(ModelConfig config, SchedulerLimits limits, TimeProvider time)
    {
        this.config = config;
        this.limits = limits;
        this.time = time;
        loop = Task.Run(RunAsync);
        ticker = time.CreateTimer(_ => mailbox.Writer.TryWrite(ExpireWaiting), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    /// <summary>Requests that have come and have not ended, counted at once: what to compare when a request may go to several.</summary>
    public int Requests => Volatile.Read(ref requests);

    /// <summary>Sequences that hold blocks.</summary>
    public int RunningCount { get; private set; }

    /// <summary>Sequences that wait for blocks or a pipeline.</summary>
    public int WaitingCount { get; private set; }

    /// <summary>Blocks that no sequence holds.</summary>
    public int FreeBlocks { get; private set; }

    /// <summary>Generates tokens; see <see cref="IGatewayGrain.GenerateAsync"/>.</summary>
    /// <param name="request">The request, checked.</param>
    /// <param name="maxTokens">Length in tokens, prompt included, at which it ends.</param>
    /// <param name="cancellationToken">Ends the sequence.</param>
    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
        GenerationRequest request, int maxTokens, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var sequence = new Sequence(request, Interlocked.Increment(ref lastArrival), maxTokens);
        Interlocked.Increment(ref requests);
        try
        {
            if (!Post(() => Submit(sequence))) throw new GenerationException(GenerationError.Unavailable, "The gateway stops.");
            await foreach (GeneratedToken token in sequence.Output.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return token;
        }
        finally
        {
            Post(() => End(sequence, null));
            Interlocked.Decrement(ref requests);
        }
    }

    /// <summary>Gives the scheduler a pipeline whose stages hold nothing yet.</summary>
    public void Attach(IPipeline next) => Post(() =>
    {
        if (pipeline is not null) Detach(pipeline);
        pipeline = next;
        blocks = new BlockPool(next.KvBlocks);
        lastStep = 0;
        next.Start(
            result => Post(() => Complete(next, result)),
            _ => Post(() => Detach(next)));
    });

    /// <summary>Ends every sequence.</summary>
    public async ValueTask DisposeAsync()
    {
        await ticker.DisposeAsync().ConfigureAwait(false);
        mailbox.Writer.TryComplete();
        await loop.ConfigureAwait(false);
    }

    private bool Post(Action message) => mailbox.Writer.TryWrite(message);

    private async Task RunAsync()
    {
        while (await mailbox.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            try
            {
                while (mailbox.Reader.TryRead(out Action? message)) message();
                Admit();
                SendSteps();
            }
#pragma warning disable CA1031 // A failure is a value: the sequences get it, and the loop serves the next ones.
            catch (Exception e)
#pragma warning restore CA1031
            {
                EndAll($"The scheduler failed: {e.Message}");
                if (pipeline is { } broken)
                {
                    Detach(broken);
                    broken.Fail($"The scheduler failed: {e.Message}");
                }
            }

            (RunningCount, WaitingCount, FreeBlocks) = (running.Count, waiting.Count, blocks.Free);
        }

        EndAll("The gateway stops.");
    }

    private void EndAll(string reason)
    {
        foreach (Sequence sequence in running.Concat(waiting.Values).ToList())
            End(sequence, new GenerationException(GenerationError.Unavailable, reason));
    }

    private void Submit(Sequence sequence)
    {
        if (waiting.Count >= limits.MaxWaiting)
        {
            sequence.Output.Writer.TryComplete(new GenerationException(
                GenerationError.Overloaded, $"{waiting.Count} requests are waiting; try again later.", TimeSpan.FromSeconds(1)));
            return;
        }

        Wait(sequence);
        Admit();
    }

    private void Wait(Sequence sequence)
    {
        sequence.WaitingSince = time.GetTimestamp();
        waiting.Add(sequence.Arrival, sequence);
    }

    /// <summary>
    /// First come, first served: each takes the blocks that its longest possible length needs, so nobody runs out in the middle.
    /// </summary>
    private void Admit()
    {
        while (pipeline is not null && waiting.Count > 0)
        {
            Sequence sequence = waiting.GetValueAtIndex(0);
            int needed = BlockPool.BlocksFor(sequence.MaxTokens);
            if (needed > blocks.Count)
            {
                End(sequence, new GenerationException(
                    GenerationError.Unavailable,
                    $"The cluster has room for {blocks.Count * BlockPool.BlockTokens} tokens now;"
                    + $" the request may need {sequence.MaxTokens}."));
                continue;
            }

            if (!blocks.TryTake(needed, sequence.Blocks)) return;
            waiting.RemoveAt(0);
            running.Add(sequence);
        }
    }

    /// <summary>
    /// Keeps one step for every stage under way, each with at most its share of the running sequences: all of them in one step would
    /// leave the other stages idle.
    /// </summary>
    private void SendSteps()
    {
        while (pipeline is not null && underWay.Count < pipeline.Stages)
        {
            StepUnderWay? next = Compose((running.Count + pipeline.Stages - 1) / pipeline.Stages);
            if (next is null) return;
            underWay.Enqueue(next);
            pipeline.Send(next.Step);
        }
    }

    /// <summary>A step of one token for each sequence that decodes, then chunks of prompts up to the token budget.</summary>
    private StepUnderWay? Compose(int maxSequences)
    {
        Step step = spareSteps.TryPop(out Step? spare) ? spare : new Step();
        step.Clear();
        var sequences = new List<Sequence>();
        foreach (bool decoding in (ReadOnlySpan<bool>)[true, false])
        {
            foreach (Sequence sequence in running)
            {
                int budget = Step.MaxTokens - step.Tokens.Length;
                if (sequences.Count == maxSequences || budget == 0) break;
                if (!sequence.HasWork || sequence.Decodes != decoding) continue;
                Schedule(sequence, step, budget);
                sequences.Add(sequence);
            }
        }

        if (sequences.Count == 0)
        {
            spareSteps.Push(step);
            return null;
        }

        step.Epoch = pipeline!.Epoch;
        step.Number = ++lastStep;
        return new StepUnderWay(step, sequences);
    }

    private static void Schedule(Sequence sequence, Step step, int budget)
    {
        Span<int> tokens = CollectionsMarshal.AsSpan(sequence.Tokens);
        int count = Math.Min(budget, tokens.Length - sequence.Scheduled);
        int end = sequence.Scheduled + count;
        ReadOnlySpan<int> blockTable = CollectionsMarshal.AsSpan(sequence.Blocks)[..BlockPool.BlocksFor(end)];
        if (end == tokens.Length)
        {
            double number = UniformNumber.At(sequence.Request.Seed, end);
            step.AddDrawingSequence(
                sequence.Scheduled, tokens[sequence.Scheduled..end], blockTable,
                sequence.Request.Sampling, number, sequence.Request.Candidates);
        }
        else
        {
            step.AddSequence(sequence.Scheduled, tokens[sequence.Scheduled..end], blockTable);
        }

        sequence.Scheduled = end;
        sequence.StepsUnderWay++;
    }

    private void Complete(IPipeline source, StepResult result)
    {
        if (source != pipeline) return;
        if (!underWay.TryDequeue(out StepUnderWay? step) || !Answers(result, step.Step))
        {
            source.Fail(
                $"Step {step?.Step.Number} is due; the last stage answered step {result.Number} with {result.Drawn.Length} tokens.");
            return;
        }

        int drawn = 0;
        for (int i = 0; i < step.Sequences.Count; i++)
        {
            Sequence sequence = step.Sequences[i];
            sequence.StepsUnderWay--;
            if (step.Step.Sequences[i].Draws) Append(sequence, result.Drawn[drawn++]);
            if (sequence.Ended) Release(sequence);
        }

        spareSteps.Push(step.Step);
    }

    /// <summary>Whether a result can be the answer to a step: a stage may be broken in any way.</summary>
    private bool Answers(StepResult result, Step step)
    {
        int draws = 0;
        foreach (StepSequence sequence in step.Sequences) draws += sequence.Draws ? 1 : 0;
        return result.Number == step.Number && result.Drawn.Length == draws
            && result.Drawn.All(drawn => IsToken(drawn.Drawn) && drawn.Candidates.All(IsToken));
    }

    private bool IsToken(Candidate candidate) => (uint)candidate.Token < (uint)config.VocabSize;

    private void Append(Sequence sequence, DrawnToken drawn)
    {
        if (sequence.Ended) return;
        int token = drawn.Drawn.Token;
        sequence.Tokens.Add(token);
        sequence.LossesInARow = 0;
        FinishReason? finish =
            !sequence.Request.IgnoreEndTokens && config.EndTokens.Contains(token) ? FinishReason.Stop
            : sequence.Tokens.Count >= sequence.MaxTokens ? FinishReason.Length
            : null;
        sequence.Output.Writer.TryWrite(new GeneratedToken(drawn.Drawn, drawn.Candidates, finish));
        if (finish is not null) End(sequence, null);
    }

    private void End(Sequence sequence, Exception? reason)
    {
        if (sequence.Ended) return;
        sequence.Ended = true;
        sequence.Output.Writer.TryComplete(reason);
        waiting.Remove(sequence.Arrival);
        Release(sequence);
    }

    /// <summary>A sequence that has ended keeps its blocks until the last step that writes them has come back.</summary>
    private void Release(Sequence sequence)
    {
        if (sequence.StepsUnderWay > 0) return;
        blocks.Return(sequence.Blocks);
        running.Remove(sequence);
    }

    private void Detach(IPipeline lost)
    {
        if (lost != pipeline) return;
        pipeline = null;
        underWay.Clear();
        blocks = new BlockPool(0);

        // They wait for a pipeline from now on; what they waited for until now was blocks.
        foreach (Sequence sequence in waiting.Values) sequence.WaitingSince = time.GetTimestamp();
        List<Sequence> interrupted = [.. running];
        running.Clear();
        foreach (Sequence sequence in interrupted)
        {
            sequence.Blocks.Clear();
            sequence.Scheduled = 0;
            sequence.StepsUnderWay = 0;
            if (sequence.Ended) continue;
            if (++sequence.LossesInARow < MostLossesInARow)
            {
                Wait(sequence);
                continue;
            }

            End(sequence, new GenerationException(
                GenerationError.Unavailable, $"The pipeline was lost {sequence.LossesInARow} times before the request's next token."));
        }
    }

    private void ExpireWaiting()
    {
        if (pipeline is not null) return;
        foreach (Sequence sequence in waiting.Values.ToList())
        {
            if (time.GetElapsedTime(sequence.WaitingSince) < limits.RecoveryTimeout) continue;
            End(sequence, new GenerationException(
                GenerationError.Unavailable,
                $"No pipeline was ready within {limits.RecoveryTimeout.TotalSeconds:0} s.",
                TimeSpan.FromSeconds(5)));
        }
    }

    private sealed record StepUnderWay(Step Step, List<Sequence> Sequences);
}

/// <summary>Bounds on what a scheduler takes on.</summary>
/// <param name="MaxWaiting">Requests that may wait.</param>
/// <param name="RecoveryTimeout">How long a request waits for a pipeline.</param>
internal sealed record SchedulerLimits(int MaxWaiting, TimeSpan RecoveryTimeout);
