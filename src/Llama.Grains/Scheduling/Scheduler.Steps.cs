using System.Runtime.InteropServices;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Scheduling;

/// <content>What goes into a step.</content>
internal sealed partial class Scheduler
{
    /// <summary>Most sequences of a step that only decode: prompts always find room beside them.</summary>
    private int MostDecoding => maxStepTokens - StepBudget.Least;

    /// <summary>What one sequence more may bring fits behind so much.</summary>
    private const int MostPartBytes = OptionalParts.MaxBytes / 2;

    /// <summary>Tokens of prompts in a step that are told with their log-probabilities: their logits take more memory than all else of it.</summary>
    private const int MostTold = Step.LeastShape;

    /// <summary>For so many stages, one more step than there are stages may be in flight; found by simulation.</summary>
    private const int StagesForOneMore = 8;

    /// <summary>Steps that may be in flight.</summary>
    private int Depth => Stages < 2 ? Stages : Stages + Math.Max(1, Stages / StagesForOneMore);

    /// <summary>
    /// The next step, if one should be sent now: one for every stage is in flight, each with at most its share of the running sequences,
    /// for all of them in one step would leave the other stages idle. A few more are, so that a stage whose step was short finds
    /// the next; with few stages these carry prompts only, because dividing the sequences that decode among one more step would cost more
    /// passes over the weights than it saves. The step must be sent, and not be changed before its result is there.
    /// </summary>
    public Step? NextStep()
    {
        if (inFlight.Count >= Depth) return null;
        Admit();
        Batch batch = spare.TryPop(out Batch? old) ? old : new Batch();
        batch.Begin(epoch, lastStep + 1);

        // What is lost comes first, but those who go on already get every other step.
        if (!rebuiltLast || ready.Count + prompts.Count == 0) AddRebuilding(batch);
        if (batch.Step.Tokens.Length == 0)
        {
            int share = (running.Count + Stages - 1) / Stages;
            if (decodingSteps < Stages || Stages >= StagesForOneMore) AddDecoding(batch, Math.Min(share, MostDecoding));
            AddPrompts(batch, share);
            blocks.ReleaseDoubles();
        }

        rebuiltLast = batch.Rebuilds;
        if (batch.Step.Tokens.Length == 0)
        {
            spare.Push(batch);
            return null;
        }

        lastStep++;
        if (batch.Decodes) decodingSteps++;
        (batch.SentAt, batch.SentAlone) = (time.GetTimestamp(), inFlight.Count == 0);
        if (batch.SentAlone) activeUntil = batch.SentAt;
        inFlight.Enqueue(batch);
        return batch.Step;
    }

    private void AddRebuilding(Batch batch)
    {
        if (!rebuild.Pending) return;
        batch.PromptTokens = rebuild.Fill(batch, maxStepTokens);
        if (batch.Rebuilds) recovery.Rebuild(batch.PromptTokens, new LayerSpan(batch.Step.FirstLayer, batch.Step.EndLayer));

        // Those whose blocks are known by now may begin.
        Admit();
    }

    private void AddDecoding(Batch batch, int most)
    {
        while (batch.Sequences.Count < most && batch.Step.Parts.Length < MostPartBytes && ready.First?.Value is { } sequence)
        {
            if (TryGrow(sequence, batch)) Add(batch, sequence, sequence.Tokens.Count);
            else if (sequence.State == SequenceState.Running) return;
        }
    }

    private void AddPrompts(Batch batch, int most)
    {
        int tokens = -1;
        int told = 0;
        LinkedListNode<Sequence>? next = prompts.First;
        while (next is not null && batch.Sequences.Count < most && batch.Step.Parts.Length < MostPartBytes && tokens != 0)
        {
            Sequence sequence = next.Value;
            next = next.Next;
            if (!blocks.TrySkip(sequence, batch.Step)) continue;
            if (tokens < 0)
            {
                tokens = budget.PromptTokens(
                    batch.Sequences.Count, running.Count - prompts.Count, sequence.Tokens.Count, Backlog(), Stages);
            }

            // A part of a prompt ends with a block, so that the next can begin with one that somebody else has computed.
            int last = repeatsShapes ? sequence.EndOfShape(sequence.Scheduled) : sequence.Tokens.Count;
            int room = sequence.Request.PromptLogprobs is null ? tokens : Math.Min(tokens, MostTold - told);
            int end = Math.Min(sequence.Scheduled + room, last);
            if (end < last) end -= end % BlockPool.BlockTokens;
            if (end <= sequence.Scheduled)
            {
                if (room < tokens) continue;
                return;
            }

            if (sequence.Request.PromptLogprobs is not null) told += end - sequence.Scheduled;
            tokens -= end - sequence.Scheduled;
            batch.PromptTokens += end - sequence.Scheduled;
            Add(batch, sequence, end);
        }
    }

    /// <summary>Tokens of prompts that have not been sent, as far as they matter: more than the steps in flight can carry is enough.</summary>
    private int Backlog()
    {
        int tokens = 0;
        for (LinkedListNode<Sequence>? place = prompts.First; place is not null && tokens < Stages * maxStepTokens; place = place.Next)
            tokens += place.Value.Tokens.Count - place.Value.Scheduled;
        return tokens;
    }

    private void Add(Batch batch, Sequence sequence, int end)
    {
        Span<int> tokens = CollectionsMarshal.AsSpan(sequence.Tokens);
        int first = sequence.Scheduled;
        ReadOnlySpan<int> table = CollectionsMarshal.AsSpan(sequence.Blocks)[..BlockPool.BlocksFor(end)];
        bool decodes = sequence.Place.List == ready;
        if (end == tokens.Length && sequence.Request.Pooling is null)
        {
            double number = UniformNumber.At(sequence.Request.Seed, end);
            batch.Step.AddSamplingSequence(
                first, tokens[first..end], table, sequence.Request.Sampling, number, sequence.Request.TopLogprobs);
            AddRules(batch.Step, sequence, tokens);
        }
        else
        {
            batch.Step.AddSequence(first, tokens[first..end], table);
        }

        sequence.Outputs?.AddTo(batch.Step, tokens, first, end);
        if (end == tokens.Length) sequence.Place.List!.Remove(sequence.Place);
        if (repeatsShapes) AddShape(batch.Step, sequence, first, end);
        sequence.Trace?.AddTo(batch.Step, batch.Sequences.Count);
        batch.Sequences.Add(sequence);
        recovery.Compute(sequence, end - first);
        sequence.Scheduled = end;
        sequence.StepsInFlight++;
        sequence.LastStep = batch.Step.Number;
        blocks.Register(sequence, first, end, endsPrompt: end == tokens.Length && !decodes, batch.Step.Number);
    }

    private static void AddShape(Step step, Sequence sequence, int first, int end)
    {
        int shape = sequence.ShapeOf(first, end);
        if (shape != Step.ShapeOf(end - first)) step.AddShape(shape);
        sequence.Shapes.Extend(end, shape);
    }

    private void AddRules(Step step, Sequence sequence, ReadOnlySpan<int> tokens)
    {
        ReadOnlySpan<byte> grammar = sequence.Matcher is { } matcher ? matcher.Mask : default;
        if (sequence.Request.Rules is not { } rules)
        {
            if (!grammar.IsEmpty) step.AddMask(grammar);
            return;
        }

        sequence.Rules ??= new RuleState(sequence.Request, rules, config);
        int prompt = sequence.Request.PromptTokens.Count;
        sequence.Rules.Add(step, tokens[..prompt], tokens[prompt..], grammar);
    }

    /// <summary>
    /// Gives a sequence the block of its next token, if need be that of the last in rank, which is preempted. One that this very step
    /// carries cannot be, and then the sequence stays where it is until the next step; it may itself be the last.
    /// </summary>
    private bool TryGrow(Sequence sequence, Batch batch)
    {
        while (!blocks.TryGrow(sequence))
        {
            Sequence last = running.Max!;
            if (last.LastStep == batch.Step.Number) return false;
            Preemptions++;
            Withdraw(last);
            Wait(last);
            if (last == sequence) return false;
        }

        return true;
    }
}
