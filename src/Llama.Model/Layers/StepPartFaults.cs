using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Llama.Model.Grammars;
using Llama.Model.Sampling;
using static Llama.Model.Layers.StepParts;

namespace Llama.Model.Layers;

/// <summary>Finds what is wrong with the parts of a step, before any number of theirs is used.</summary>
internal static class StepPartFaults
{
    /// <summary>What is wrong with a part; null for one that is good, or that is none of these.</summary>
    public static string? Find(StepPart part, ReadOnlySpan<StepSequence> sequences, int vocabSize)
    {
        if (AsksForRows(part.Tag)) return FindFaultOfRows(part, sequences, vocabSize);
        if (part.Tag.SequenceEqual(Shape)) return FindFaultOfShape(part, sequences.Length);
        if (!ChangesLogits(part.Tag)) return null;
        if ((uint)part.Sequence >= (uint)sequences.Length || !sequences[part.Sequence].Samples)
            return $"changes the logits of sequence {part.Sequence}, which samples nothing";
        int length = part.Contents.Length;
        if (part.Tag.SequenceEqual(Mask)) return TokenMask.FindFault(part.Contents, vocabSize) is { } fault ? $"has a mask that {fault}" : null;
        if (part.Tag.SequenceEqual(Denied)) return length % sizeof(int) == 0 ? FindFaultOfTokens(Numbers(part.Contents), vocabSize) : $"denies {length} bytes";
        if (part.Tag.SequenceEqual(Biases)) return FindFaultOfBiases(part.Contents, vocabSize);
        if (length < PenaltiesBytes || length % sizeof(int) != 0) return $"has penalties of {length} bytes";
        int prompt = BinaryPrimitives.ReadInt32LittleEndian(part.Contents[12..]);
        if (prompt < 0 || prompt > (length - PenaltiesBytes) / sizeof(int)) return $"has penalties for {prompt} tokens of a prompt";
        return FindFaultOfPenalties(ReadPenalties(part.Contents, default).Penalties) ?? FindFaultOfTokens(Numbers(part.Contents[PenaltiesBytes..]), vocabSize);
    }

    private static string? FindFaultOfRows(StepPart part, ReadOnlySpan<StepSequence> sequences, int vocabSize)
    {
        if ((uint)part.Sequence >= (uint)sequences.Length) return $"asks for the output of sequence {part.Sequence}";
        int length = part.Contents.Length;
        bool sums = part.Tag.SequenceEqual(StateSum);
        if (sums ? length != RowsBytes : length < RowsBytes || length % sizeof(int) != 0) return $"asks for outputs with {length} bytes";
        PromptRows prompt = PromptRows.Read(part.Contents);
        StateRows states = StateRows.Read(part.Contents);
        (int first, long count) = sums ? (states.First, states.Count) : (prompt.First, prompt.Tokens.Length);

        // Where a token is sampled, the prompt's next one is not known.
        StepSequence sequence = sequences[part.Sequence];
        int most = sequence.TokenCount - (sequence.Samples && !sums ? 1 : 0);
        if (first < 0 || count < 1 || first + count > most) return $"asks for the outputs of {count} tokens from token {first} of {most} in sequence {part.Sequence}";
        if (sums) return null;
        return prompt.TopLogprobs is >= 0 and <= Step.MaxTopLogprobs
            ? FindFaultOfTokens(prompt.Tokens, vocabSize)
            : $"asks for {prompt.TopLogprobs} top logprobs of a prompt; expected 0 to {Step.MaxTopLogprobs}";
    }

    private static string? FindFaultOfShape(StepPart part, int sequences) =>
        (uint)part.Sequence >= (uint)sequences || part.Contents.Length != sizeof(int) ? $"has a shape of {part.Contents.Length} bytes for sequence {part.Sequence}"
        : Numbers(part.Contents)[0] is var shape && (shape is < 1 or > Step.MaxTokens || Step.ShapeOf(shape) != shape) ? $"has the shape {shape}"
        : null;

    private static string? FindFaultOfBiases(ReadOnlySpan<byte> contents, int vocabSize)
    {
        if (contents.Length % 8 != 0) return $"has biases of {contents.Length} bytes";
        foreach (TokenBias bias in MemoryMarshal.Cast<byte, TokenBias>(contents))
        {
            if ((uint)bias.Token >= (uint)vocabSize || !float.IsFinite(bias.Addend)) return $"adds {bias.Addend} to the logit of token {bias.Token}";
        }

        return null;
    }

    private static string? FindFaultOfPenalties(Penalties penalties) =>
        float.IsFinite(penalties.Presence) && float.IsFinite(penalties.Frequency) && penalties.Repetition > 0 && float.IsFinite(penalties.Repetition)
            ? null : $"has the penalties {penalties}";

    private static string? FindFaultOfTokens(ReadOnlySpan<int> tokens, int vocabSize)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)vocabSize) return $"is about token {token}; expected 0 to {vocabSize - 1}";
        }

        return null;
    }
}
