using Llama.Model.KeyValueCache;

namespace Llama.Model.Layers;

/// <summary>
/// Checks a step against the model and the range before any of its numbers is used as an index: a stage must survive whatever a link
/// delivers.
/// </summary>
internal static class StepValidation
{
    /// <summary>Throws unless the step can be run.</summary>
    /// <param name="step">The step.</param>
    /// <param name="config">The model.</param>
    /// <param name="kvBlocks">Blocks in each KV pool.</param>
    /// <param name="hiddenBytes">Bytes of hidden states that came with it.</param>
    /// <param name="maxTokens">Most tokens that the range takes.</param>
    /// <exception cref="ArgumentException">It cannot; the message says why.</exception>
    public static void Check(Step step, ModelConfig config, int kvBlocks, int hiddenBytes, int maxTokens)
    {
        int tokens = step.Tokens.Length;
        if (tokens < 1 || tokens > maxTokens)
            throw Fault(step, $"has {tokens} tokens; expected 1 to {maxTokens}");
        if (hiddenBytes != (long)tokens * config.Dim * sizeof(float))
            throw Fault(step, $"came with {hiddenBytes} bytes of hidden states; expected {(long)tokens * config.Dim * sizeof(float)}");
        foreach (int token in step.Tokens)
        {
            if ((uint)token >= (uint)config.VocabSize)
                throw Fault(step, $"has token {token}; expected 0 to {config.VocabSize - 1}");
        }

        foreach (int block in step.Blocks)
        {
            if ((uint)block >= (uint)kvBlocks) throw Fault(step, $"names KV block {block}; the pool has {kvBlocks}");
        }

        if (step.Copies.Length > Step.MaxTokens)
            throw Fault(step, $"copies {step.Copies.Length} blocks; expected at most {Step.MaxTokens}");
        foreach (BlockCopy copy in step.Copies)
        {
            if ((uint)copy.Source >= (uint)kvBlocks || (uint)copy.Target >= (uint)kvBlocks || copy.Source == copy.Target)
                throw Fault(step, $"copies KV block {copy.Source} to {copy.Target}; expected two of the pool's {kvBlocks}");
        }

        if (step.FirstLayer < 0 || step.EndLayer < step.FirstLayer)
            throw Fault(step, $"is for layers {step.FirstLayer} to {step.EndLayer}");
        bool rebuilds = step.FirstLayer > 0 || step.EndLayer < config.Layers;
        foreach (StepSequence sequence in step.Sequences)
        {
            Check(step, sequence, config, kvBlocks);
            if (rebuilds && sequence.Samples) throw Fault(step, "samples, and not all layers compute it");
        }

        ReadOnlySpan<byte> parts = step.Parts;
        while (StepParts.TryRead(ref parts, out StepPart part))
        {
            if (StepPartFaults.Find(part, step.Sequences, config.VocabSize) is { } fault) throw Fault(step, fault);
            if (rebuilds && StepParts.AsksForRows(part.Tag)) throw Fault(step, "asks for outputs, and not all layers compute it");
        }

        int covered = 0;
        foreach (StepSequence sequence in step.Sequences) covered += sequence.TokenCount;
        if (covered != tokens) throw Fault(step, $"has {tokens} tokens, its sequences {covered}");
    }

    private static void Check(Step step, StepSequence sequence, ModelConfig config, int kvBlocks)
    {
        long end = (long)sequence.FirstPosition + sequence.TokenCount;
        if (sequence.FirstPosition < 0 || sequence.TokenCount < 1 || end > config.ContextLength)
            throw Fault(step, $"has positions {sequence.FirstPosition} to {end - 1}; the context has {config.ContextLength}");
        if (end > (long)kvBlocks * KvCache.BlockTokens)
            throw Fault(step, $"has {end} positions in one sequence; the pool has {kvBlocks} blocks of {KvCache.BlockTokens}");
        if ((long)sequence.BlockCount * KvCache.BlockTokens < end)
            throw Fault(step, $"has {sequence.BlockCount} blocks of {KvCache.BlockTokens} for {end} positions");
        if (sequence.BlockOffset < 0 || sequence.BlockCount < 0 || sequence.BlockOffset > step.Blocks.Length - sequence.BlockCount)
            throw Fault(step, "has a block table outside its blocks");
        if (sequence.TokenOffset < 0 || sequence.TokenOffset > step.Tokens.Length - sequence.TokenCount)
            throw Fault(step, "has tokens outside its tokens");
        if (!sequence.Samples) return;
        if (sequence.TopLogprobs is < 0 or > Step.MaxTopLogprobs)
            throw Fault(step, $"asks for {sequence.TopLogprobs} topLogprobs; expected 0 to {Step.MaxTopLogprobs}");
        if (!(sequence.Number is >= 0 and < 1)) throw Fault(step, $"samples with {sequence.Number}; expected [0, 1)");
        if (!(sequence.Sampling.Temperature >= 0 && float.IsFinite(sequence.Sampling.Temperature)))
            throw Fault(step, $"has temperature {sequence.Sampling.Temperature}; expected 0 or more");
        if (!(sequence.Sampling.TopP > 0) || float.IsNaN(sequence.Sampling.MinP))
        {
            throw Fault(
                step, $"has top-p {sequence.Sampling.TopP} and min-p {sequence.Sampling.MinP}; expected numbers above 0 and from 0");
        }
    }

    private static ArgumentException Fault(Step step, string what) => new($"Step {step.Epoch}.{step.Number} {what}.");
}
