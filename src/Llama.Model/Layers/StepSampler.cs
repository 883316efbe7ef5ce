using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>Makes what the last range tells of a step from logits and hidden states, on every device alike. Not thread-safe.</summary>
/// <param name="config">The model.</param>
internal sealed unsafe class StepSampler(ModelConfig config) : IDisposable
{
    private readonly Sampler sampler = new(config.VocabSize);
    private readonly ConcurrentBag<SampledTokens> pool = [];

    /// <summary>
    /// Samples a token for every sequence that wants one, in the step's order, and tells what else is asked for of its sequences.
    /// </summary>
    /// <param name="step">The step.</param>
    /// <param name="outputs">The outputs of its <see cref="WantedRows"/>.</param>
    /// <returns>Rented; the caller disposes of them.</returns>
    public SampledTokens Sample(Step step, IRowOutputs outputs)
    {
        SampledTokens sampled = SampledTokens.Rent(pool);
        ReadOnlySpan<byte> parts = step.Parts;
        int row = 0;
        for (int i = 0; i < step.Sequences.Length; i++)
        {
            StepSequence sequence = step.Sequences[i];
            SequenceParts own = StepParts.Read(ref parts, i);
            int sum = own.StateSum.Count > 0 ? AddPart(sampled, ResultParts.StateSum, i, StateSums.Bytes(config.Dim)) : -1;
            int prompt = own.PromptLogprobs.Tokens.Length > 0 ? AddPart(sampled, ResultParts.PromptLogprobs, i, 0) : -1;
            for (int token = 0; token < sequence.TokenCount; token++)
            {
                bool samples = sequence.Samples && token == sequence.TokenCount - 1;
                if (!samples && !own.AskFor(token)) continue;
                if (own.StateSum.Contains(token)) Add(sampled, sum, outputs.State(row));
                if (own.PromptLogprobs.Contains(token)) Tell(own.PromptLogprobs, token, outputs.Logits(row), outputs.Measured, sampled);
                if (samples) Sample(sequence, own.Changes, outputs.Logits(row), outputs.Measured, sampled);
                row++;
            }

            if (prompt >= 0) StepParts.End(sampled.PartList, prompt);
        }

        return sampled;
    }

    /// <inheritdoc/>
    public void Dispose() => sampler.Dispose();

    private void Sample(StepSequence sequence, LogitChanges changes, float* logits, LogitMeasure? measured, SampledTokens sampled)
    {
        Span<TokenLogprob> best = stackalloc TokenLogprob[Step.MaxTopLogprobs];
        best = best[..Math.Min(sequence.TopLogprobs, config.VocabSize)];
        sampled.Add(sampler.Sample(logits, sequence.Sampling, sequence.Number, best, changes, measured), best);
    }

    private void Tell(PromptRows prompt, int after, float* logits, LogitMeasure? measured, SampledTokens sampled)
    {
        Span<TokenLogprob> best = stackalloc TokenLogprob[Step.MaxTopLogprobs];
        best = best[..Math.Min(prompt.TopLogprobs, config.VocabSize)];
        TokenLogprob token = sampler.Tell(logits, prompt.Tokens[after - prompt.First], best, out int rank, measured);
        PromptLogprobs.Add(sampled.PartList, token, rank, best);
    }

    private static void Add(SampledTokens sampled, int part, ReadOnlySpan<float> state)
    {
        Span<byte> contents = CollectionsMarshal.AsSpan(sampled.PartList).Slice(part + StepParts.HeaderBytes, StateSums.Bytes(state.Length));
        StateSums.Add(MemoryMarshal.Cast<byte, long>(contents), state);
    }

    /// <summary>Adds a part of zeros.</summary>
    /// <returns>Where it begins.</returns>
    private static int AddPart(SampledTokens sampled, ReadOnlySpan<byte> tag, int sequence, int bytes)
    {
        List<byte> parts = sampled.PartList;
        int start = parts.Count;
        StepParts.Add(parts, tag, sequence, []);
        CollectionsMarshal.SetCount(parts, parts.Count + bytes);
        CollectionsMarshal.AsSpan(parts)[^bytes..].Clear();
        StepParts.End(parts, start);
        return start;
    }
}
