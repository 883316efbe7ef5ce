using Llama.Grains.Generation;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Model;
using Llama.Model.Grammars;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Scheduling;

/// <summary>What of a lost pipeline's blocks is of use in the next one.</summary>
/// <param name="Unfinished">Layers that are not good in all of them, because the loss came in the midst of a rebuild.</param>
/// <param name="Carried">
/// Those that go on, in the order of their new numbers; null when all stay as they are, because the next has as many.
/// </param>
internal readonly record struct HeldBlocks(LayerSpan Unfinished, IReadOnlyList<int>? Carried);

/// <summary>
/// Decides for one replica: who waits, who runs, who has which blocks, and what goes into the next step. It is a plain
/// object for one thread, without tasks or timers, so a simulator runs it in virtual time; <see cref="Gateway.Engine"/> runs it in a real one.
/// When the pipeline is lost, every sequence goes back to waiting with the tokens that it has; the next pipeline computes again what is
/// lost of them and goes on, with the same bits.
/// </summary>
internal sealed partial class Scheduler
{
    /// <summary>A request that breaks every pipeline must not keep it from the others for ever.</summary>
    private const int MostLossesInARow = 4;

    private readonly ModelConfig config;
    private readonly SchedulerLimits limits;
    private readonly TimeProvider time;
    private readonly WaitingQueue waiting;
    private readonly SortedSet<Sequence> running = new(Sequence.Rank);
    private readonly SortedSet<(long Deadline, long Arrival, Sequence Sequence)> deadlines =
        new(Comparer<(long Deadline, long Arrival, Sequence Sequence)>.Create(
            (a, b) => (a.Deadline, a.Arrival).CompareTo((b.Deadline, b.Arrival))));

    /// <summary>Running sequences with tokens that are known and have not been sent, but for those that only decode; by rank.</summary>
    private readonly LinkedList<Sequence> prompts = [];

    /// <summary>Running sequences whose next token can be computed; the one that has waited longest first.</summary>
    private readonly LinkedList<Sequence> ready = [];

    private readonly RecoveryWatch recovery;
    private readonly Queue<Batch> inFlight = [];
    private readonly Stack<Batch> spare = [];
    private int maxStepTokens;
    private StepBudget budget;
    private BlockPool pool;
    private SequenceBlocks blocks;
    private BlockRebuild rebuild;
    private int decodingSteps;
    private ulong epoch;
    private ulong lastStep;
    private ulong completedStep;
    private bool rebuiltLast;
    private bool repeatsShapes;
    private long lastResultAt;
    private int live;
    private long activeUntil;
    private TimeSpan activeTime;
    private long promptTokens;
    private long cachedPromptTokens;
    private long losses;

    /// <summary>Starts with no pipeline.</summary>
    public Scheduler(ModelConfig config, SchedulerLimits limits, TimeProvider time)
    {
        this.config = config;
        this.limits = limits;
        this.time = time;
        waiting = new WaitingQueue(limits);
        recovery = new RecoveryWatch(time);
        pool = new BlockPool(0);
        blocks = new SequenceBlocks(pool, repeatsShapes);
        rebuild = new BlockRebuild(pool, repeatsShapes);
        budget = new StepBudget(limits.StepTokens, maxStepTokens);
    }

    /// <summary>Stages of the pipeline; 0 while there is none.</summary>
    public int Stages { get; private set; }

    /// <summary>Sequences that hold blocks.</summary>
    public int RunningCount => running.Count;

    /// <summary>Sequences that wait for blocks or a pipeline.</summary>
    public int WaitingCount => waiting.Count;

    /// <summary>Blocks that no sequence holds; what they held may still be known.</summary>
    public int FreeBlocks => Stages > 0 ? pool.Free : 0;

    /// <summary>What it has and has done.</summary>
    public SchedulerCounts Counts => new()
    {
        Running = running.Count,
        Waiting = waiting.Count,
        FreeBlocks = FreeBlocks,
        CachedBlocks = Stages > 0 ? pool.Cached : 0,
        PromptTokens = promptTokens,
        CachedPromptTokens = cachedPromptTokens,
        SampledTokens = SampledTokens,
        Preemptions = Preemptions,
        Losses = losses,
        ActiveTime = activeTime,
    };

    /// <summary>The measured time of a step that only decodes at the slowest stage, in seconds; 0 before there is one.</summary>
    public double DecodeSeconds => budget.DecodeSeconds;

    /// <summary>The measured time that a prompt's token adds to a step at the slowest stage, in seconds; 0 before there is one.</summary>
    public double PromptTokenSeconds => budget.PromptTokenSeconds;

    /// <summary>How often a sequence has lost its blocks to another.</summary>
    public long Preemptions { get; private set; }

    /// <summary>Tokens that were sampled.</summary>
    public long SampledTokens { get; private set; }

    /// <summary>Whether nothing is in flight and nobody runs.</summary>
    public bool IsIdle => running.Count == 0 && inFlight.Count == 0;

    /// <summary>The sequences that hold blocks, by rank.</summary>
    public IReadOnlyCollection<Sequence> Running => running;

    /// <summary>Takes a sequence on, or ends it with the reason why not.</summary>
    public void Submit(Sequence sequence)
    {
        if (waiting.Refusal(sequence) is { } refusal)
        {
            sequence.Client.End(refusal);
            return;
        }

        live++;
        if (sequence.Request.Timeout is { } timeout)
        {
            sequence.Deadline = time.GetTimestamp() + (long)(timeout.TotalSeconds * time.TimestampFrequency);
            deadlines.Add((sequence.Deadline.Value, sequence.Arrival, sequence));
        }

        foreach (GeneratedToken token in sequence.Request.ResumedTokens) sequence.Client.Next(token);
        Wait(sequence);
        Admit();
    }

    /// <summary>Ends a sequence whose client is gone; its blocks are free at once.</summary>
    public void Cancel(Sequence sequence) => End(sequence, null);

    /// <summary>Ends every sequence.</summary>
    public void EndAll(string reason)
    {
        foreach (Sequence sequence in (List<Sequence>)[.. running, .. waiting.All])
            End(sequence, new GenerationException(GenerationError.Unavailable, reason));
    }

    /// <summary>Begins to make steps for a pipeline. There must be none.</summary>
    /// <param name="stages">Steps that it computes at once.</param>
    /// <param name="kvBlocks">Blocks in every stage.</param>
    /// <param name="mostTokens">Most tokens of a step.</param>
    /// <param name="pipelineEpoch">The plan that its steps belong to.</param>
    /// <param name="repeats">Whether its bits depend on the shapes of steps: as in the pipeline before, where it goes on with its blocks.</param>
    /// <param name="lost">
    /// The layers whose blocks are lost, where the others kept those of the pipeline before; null when its stages hold nothing.
    /// </param>
    /// <param name="carried">The blocks that go on under new numbers, as <see cref="Fit"/> gave them.</param>
    public void Attach(
        int stages, int kvBlocks, int mostTokens, ulong pipelineEpoch, bool repeats, LayerSpan? lost = null, IReadOnlyList<int>? carried = null)
    {
        repeatsShapes = repeats;
        Stages = stages;
        epoch = pipelineEpoch;
        maxStepTokens = mostTokens;
        budget = new StepBudget(limits.StepTokens, maxStepTokens);
        if (lost is null || (carried is null && kvBlocks != pool.Count))
        {
            (lastStep, completedStep) = (0, 0);
            UseBlocks(new BlockPool(kvBlocks), null);
        }
        else
        {
            if (carried is not null) UseBlocks(new BlockPool(kvBlocks), carried);
            rebuild.Begin(lost.Value);
        }

        Admit();
    }

    /// <summary>
    /// What is of use of the lost pipeline's blocks in one that has a number of them. Of sequences that do not fit, nothing: they lose
    /// their blocks to the others, as when blocks run out.
    /// </summary>
    public HeldBlocks Fit(int kvBlocks) => new(rebuild.Unfinished, kvBlocks == pool.Count ? null : rebuild.Fit(kvBlocks));

    /// <summary>The pipeline is lost. Its blocks are remembered: the next one may still have them.</summary>
    /// <param name="cause">Why, in a sentence.</param>
    /// <param name="blameless">Whether it ended on purpose: no sequence can have been the cause.</param>
    public void Detach(string cause, bool blameless = false)
    {
        Stages = 0;
        if (!blameless) losses++;
        if (inFlight.Count > 0) CountActive(time.GetTimestamp());
        inFlight.Clear();
        decodingSteps = 0;
        ready.Clear();
        prompts.Clear();
        rebuild.Suspend(completedStep);

        // They wait for a pipeline from now on; what they waited for until now was blocks.
        foreach (Sequence sequence in waiting.All) sequence.LeavePipeline(time.GetTimestamp());
        List<Sequence> interrupted = [.. running.Reverse()];
        running.Clear();
        foreach (Sequence sequence in interrupted)
        {
            rebuild.Hold(sequence);
            blocks.Release(sequence);
            sequence.LeavePipeline(time.GetTimestamp());
            recovery.Interrupt(sequence, isMove: blameless);
            sequence.Trace?.Lose(cause, epoch);
            Wait(sequence);
            if (!blameless && ++sequence.LossesInARow >= MostLossesInARow)
            {
                End(sequence, new GenerationException(
                    GenerationError.Unavailable, $"The pipeline was lost {sequence.LossesInARow} times before the request's next token."));
            }
        }
    }

    /// <summary>Forgets the blocks of the lost pipeline: what is known of them cannot be trusted.</summary>
    public void ForgetBlocks() => UseBlocks(new BlockPool(0), null);

    /// <summary>The recovery from a lost pipeline that has come to its end since the last call, if one has.</summary>
    public Recovery? TakeRecovery() => recovery.Take();

    /// <summary>Takes the result of the oldest step in flight.</summary>
    /// <returns>What is wrong with it, or null: a stage may be broken in any way, and then the pipeline must not be used any more.</returns>
    public string? Complete(StepResult result)
    {
        if (!inFlight.TryDequeue(out Batch? batch) || !Answers(result, batch.Step))
            return $"Step {batch?.Step.Number} is due; the last stage answered step {result.Number} with {result.Sampled.Count} tokens.";
        if (batch.Decodes) decodingSteps--;
        completedStep = batch.Step.Number;
        Measure(batch);
        TakeOutputs(batch, result);
        int sampled = 0;
        for (int i = 0; i < batch.Sequences.Count; i++)
        {
            Sequence sequence = batch.Sequences[i];
            sequence.StepsInFlight--;
            if (batch.Step.Sequences[i].Samples) Append(sequence, result.Sampled[sampled++]);
            else if (sequence.Outputs is { IsPooled: true } outputs) Finish(sequence, outputs);
        }

        spare.Push(batch);
        return null;
    }

    /// <summary>Ends the sequences whose time is over.</summary>
    public void Expire()
    {
        long now = time.GetTimestamp();
        while (deadlines.Count > 0 && deadlines.Min.Deadline <= now)
        {
            Sequence late = deadlines.Min.Sequence;
            End(late, new GenerationException(
                GenerationError.Expired,
                $"The request's timeout of {late.Request.Timeout!.Value.TotalSeconds:0.###} s is over after"
                + $" {late.Tokens.Count - late.Request.PromptTokens.Count} tokens."));
        }

        if (Stages > 0) return;
        foreach (Sequence sequence in (List<Sequence>)[.. waiting.All])
        {
            if (time.GetElapsedTime(sequence.WaitingSince, now) < limits.RecoveryTimeout) continue;
            End(sequence, new GenerationException(
                GenerationError.Unavailable,
                $"No pipeline was ready within {limits.RecoveryTimeout.TotalSeconds:0} s.",
                TimeSpan.FromSeconds(5)));
        }
    }

    /// <summary>Tokens at the beginning of a prompt that would not have to be computed.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="salt">What it is cached under; null for what all share.</param>
    public int CachedTokens(ReadOnlySpan<int> prompt, string? salt) => blocks.Cached(prompt, salt);

    /// <summary>
    /// Looks for contradictions: every block is free or owned as often as it is said to be, and every sequence is in exactly one place.
    /// </summary>
    /// <returns>What is wrong, or null.</returns>
    public string? FindFault()
    {
        int[] references = new int[pool.Count];
        HashSet<Sequence> inPrompts = [.. prompts];
        HashSet<Sequence> inReady = [.. ready];
        foreach (Sequence sequence in running)
        {
            foreach (int block in sequence.Blocks) references[block]++;
            int queues = (inPrompts.Contains(sequence) ? 1 : 0) + (inReady.Contains(sequence) ? 1 : 0);
            if (sequence.State != SequenceState.Running || queues > 1 || (queues == 0 && sequence.StepsInFlight == 0)
                || sequence.Scheduled > sequence.Tokens.Count || sequence.Blocks.Count < BlockPool.BlocksFor(sequence.Scheduled))
            {
                return $"Sequence {sequence.Arrival} runs, is {sequence.State} and in {queues} queues, and has {sequence.Blocks.Count} blocks"
                    + $" for {sequence.Scheduled} of {sequence.Tokens.Count} positions and {sequence.StepsInFlight} steps in flight.";
            }
        }

        rebuild.CountReferences(references);
        if (running.Count + waiting.Count != live) return $"{running.Count} sequences run, {waiting.Count} wait, of {live}.";
        if (prompts.Count + ready.Count > running.Count) return "A queue holds sequences that do not run.";
        return pool.FindFault(references) ?? waiting.FindFault();
    }

    private void UseBlocks(BlockPool next, IReadOnlyList<int>? carried)
    {
        pool = next;
        blocks = new SequenceBlocks(next, repeatsShapes);
        rebuild = carried is null ? new BlockRebuild(next, repeatsShapes) : rebuild.Renumber(next, carried);
    }

    private void Wait(Sequence sequence)
    {
        sequence.State = SequenceState.Waiting;
        sequence.WaitingSince = time.GetTimestamp();
        waiting.Add(sequence);
        sequence.Trace?.Wait();
    }

    /// <summary>
    /// Lets those run whose tokens find blocks, strictly in order: a large one is not passed by smaller ones for ever. For every one that
    /// runs already a block stays free, so that it can grow a while before somebody is preempted.
    /// </summary>
    private void Admit()
    {
        while (Stages > 0 && waiting.First is { } sequence && running.Count < Stages * MostDecoding)
        {
            // One that has begun goes on as far as there is room: it may end before its limit.
            if (BlockPool.BlocksFor(sequence.IsInPrompt ? sequence.MaxTokens : sequence.Tokens.Count) > pool.Count)
            {
                End(sequence, new GenerationException(
                    GenerationError.Unavailable,
                    $"The cluster has room for {pool.Count * BlockPool.BlockTokens} tokens now;"
                    + $" the request may need {sequence.MaxTokens}."));
                continue;
            }

            // A token that is still being sampled belongs to what must be computed again.
            if (sequence.StepsInFlight > 0 || rebuild.Holds(sequence) || !blocks.TryAdmit(sequence, reserve: running.Count)) return;
            waiting.Remove(sequence);
            sequence.State = SequenceState.Running;
            running.Add(sequence);
            sequence.Trace?.Prefill(sequence.Tokens.Count, sequence.Scheduled);
            LinkedListNode<Sequence>? before = prompts.Last;
            while (before is not null && Sequence.Rank.Compare(before.Value, sequence) > 0) before = before.Previous;
            if (before is null) prompts.AddFirst(sequence.Place);
            else prompts.AddAfter(before, sequence.Place);
        }
    }

    /// <summary>Stops a sequence that runs: its blocks are free, and any later step may overwrite them.</summary>
    private void Withdraw(Sequence sequence)
    {
        running.Remove(sequence);
        sequence.Place.List?.Remove(sequence.Place);
        blocks.Release(sequence);
    }

    private void Measure(Batch batch)
    {
        // Behind another step, the time since that one's result is the slowest stage's; alone, a step's time is that of all stages.
        long now = time.GetTimestamp();
        double seconds = time.GetElapsedTime(Math.Max(batch.SentAt, lastResultAt), now).TotalSeconds;
        if (!batch.Rebuilds) budget.Measure(batch.SentAlone ? seconds / Stages : seconds, batch.PromptTokens);
        lastResultAt = now;
        CountActive(now);
    }

    /// <summary>Steps have been in flight until now.</summary>
    private void CountActive(long now)
    {
        activeTime += time.GetElapsedTime(activeUntil, now);
        activeUntil = now;
    }

    /// <summary>Whether a result can be the answer to a step: a stage may be broken in any way.</summary>
    private bool Answers(StepResult result, Step step)
    {
        int samples = 0;
        foreach (StepSequence sequence in step.Sequences) samples += sequence.Samples ? 1 : 0;
        if (result.Number != step.Number || result.Sampled.Count != samples) return false;
        for (int i = 0; i < samples; i++)
        {
            if (!IsToken(result.Sampled[i].Sampled)) return false;
            foreach (TokenLogprob logprob in result.Sampled[i].TopLogprobs)
            {
                if (!IsToken(logprob)) return false;
            }
        }

        ReadOnlySpan<byte> questions = step.Parts;
        ReadOnlySpan<byte> answers = result.Sampled.Parts;
        while (StepParts.TryRead(ref questions, out StepPart question))
        {
            if (StepParts.AsksForRows(question.Tag) && !PromptOutputs.TryFind(question, ref answers, config, out _)) return false;
        }

        return true;
    }

    /// <summary>Takes what a result, which was checked, tells of prompts.</summary>
    private void TakeOutputs(Batch batch, StepResult result)
    {
        ReadOnlySpan<byte> answers = result.Sampled.Parts;
        if (answers.IsEmpty) return;
        ReadOnlySpan<byte> questions = batch.Step.Parts;
        while (StepParts.TryRead(ref questions, out StepPart question))
        {
            if (StepParts.AsksForRows(question.Tag) && PromptOutputs.TryFind(question, ref answers, config, out ReadOnlySpan<byte> answer))
                batch.Sequences[question.Sequence].Outputs!.Take(question, answer);
        }
    }

    /// <summary>Answers a request for a vector of its prompt.</summary>
    private void Finish(Sequence sequence, PromptOutputs outputs)
    {
        if (sequence.State == SequenceState.Outside) return;
        CountPrompt(sequence);
        sequence.Client.Next(new GeneratedToken(default, [], FinishReason.Stop, sequence.CachedTokens, outputs.Answer));
        End(sequence, null);
    }

    private void CountPrompt(Sequence sequence)
    {
        promptTokens += sequence.Tokens.Count;
        cachedPromptTokens += sequence.CachedTokens;
    }

    private bool IsToken(TokenLogprob logprob) =>
        (uint)logprob.Token < (uint)config.VocabSize && !float.IsNaN(logprob.LogProbability);

    private void Append(Sequence sequence, SampledToken sampled)
    {
        if (sequence.State == SequenceState.Outside) return;
        int token = sampled.Sampled.Token;
        int cached = sequence.CachedTokens;
        if (sequence.State == SequenceState.Waiting) waiting.CountToken();
        else ready.AddLast(sequence.Place);
        ReadOnlyMemory<byte> prompt = default;
        if (sequence.IsInPrompt)
        {
            CountPrompt(sequence);
            if (sequence.Outputs is { } outputs) prompt = outputs.Answer;
        }

        sequence.Tokens.Add(token);
        SampledTokens++;
        sequence.Trace?.Next();
        sequence.LossesInARow = 0;
        recovery.GoOn(sequence);
        FinishReason? finish =
            (!sequence.Request.IgnoreEndTokens && config.EndTokens.Contains(token)) || sequence.Request.StopTokens.Contains(token) ? FinishReason.Stop
            : sequence.Tokens.Count >= sequence.MaxTokens ? FinishReason.Length
            : null;
        if (Follow(sequence, token, finish is not null) is { } fault)
        {
            End(sequence, fault);
            return;
        }

        sequence.Client.Next(new GeneratedToken(sampled.Sampled, sampled.TopLogprobs.ToArray(), finish, cached, prompt));
        if (finish is not null) End(sequence, null);
    }

    /// <summary>Follows a sequence's grammar, if it has one, and has the next mask made.</summary>
    /// <returns>Why the sequence cannot go on, or null.</returns>
    private static GenerationException? Follow(Sequence sequence, int token, bool isLast)
    {
        if (sequence.Matcher is not { } matcher) return null;
        try
        {
            if (!matcher.TryTake(token))
                return new GenerationException(GenerationError.Unavailable, $"The last stage sampled token {token}, which the mask did not allow.");
            if (!isLast) matcher.Prepare();
            return null;
        }
        catch (GrammarException exception)
        {
            return new GenerationException(exception.IsTemporary ? GenerationError.Overloaded : GenerationError.Invalid, exception.Message);
        }
    }

    private void End(Sequence sequence, GenerationException? reason)
    {
        if (sequence.State == SequenceState.Outside) return;
        if (sequence.State == SequenceState.Running) Withdraw(sequence);
        else waiting.Remove(sequence);
        rebuild.Drop(sequence);
        recovery.GoOn(sequence);
        sequence.State = SequenceState.Outside;
        live--;
        if (sequence.Deadline is { } deadline) deadlines.Remove((deadline, sequence.Arrival, sequence));
        sequence.Trace?.End(reason);
        sequence.Client.End(reason);
    }
}
