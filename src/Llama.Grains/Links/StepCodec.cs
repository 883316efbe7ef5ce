using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Llama.Grains.Placement;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Links;

/// <summary>
/// A step as bytes, all numbers little-endian (as every machine is that .NET runs a silo on): epoch and number (8 bytes each), counts of
/// sequences, tokens, blocks and copies, the layers that compute it, bytes of optional parts (4 each), the sequences (44 each), the tokens
/// and the blocks (4 each), the copies (8 each), the <see cref="OptionalParts"/>. The hidden states, where there are any, follow it in the
/// frame. A sequence is its first position, its counts of tokens and blocks, flags (1: it samples), temperature, top-k, top-p, min-p
/// (4 each), the number that samples (8) and its count of top logprobs (4).
/// </summary>
public static class StepCodec
{
    /// <summary>Bytes before the sequences.</summary>
    public const int HeaderBytes = 44;

    /// <summary>Most blocks in the tables of all sequences: those of as many sequences as a step may have, of 131,072 positions each.</summary>
    public const int MaxBlocks = Step.MaxTokens << 13;

    private const int SequenceBytes = 44;
    private const int CopyBytes = 8;
    private const int Samples = 1;

    /// <summary>Bytes that a step takes.</summary>
    public static int Bytes(Step step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return Bytes(step.Sequences.Length, step.Tokens.Length, step.Blocks.Length, step.Copies.Length, step.Parts.Length);
    }

    /// <summary>Writes a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="target">At least <see cref="Bytes(Step)"/> bytes.</param>
    public static void Write(Step step, Span<byte> target)
    {
        ArgumentNullException.ThrowIfNull(step);
        BinaryPrimitives.WriteUInt64LittleEndian(target, step.Epoch);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], step.Number);
        BinaryPrimitives.WriteInt32LittleEndian(target[16..], step.Sequences.Length);
        BinaryPrimitives.WriteInt32LittleEndian(target[20..], step.Tokens.Length);
        BinaryPrimitives.WriteInt32LittleEndian(target[24..], step.Blocks.Length);
        BinaryPrimitives.WriteInt32LittleEndian(target[28..], step.Copies.Length);
        BinaryPrimitives.WriteInt32LittleEndian(target[32..], step.FirstLayer);
        BinaryPrimitives.WriteInt32LittleEndian(target[36..], step.EndLayer);
        BinaryPrimitives.WriteInt32LittleEndian(target[40..], step.Parts.Length);
        target = target[HeaderBytes..];
        foreach (StepSequence sequence in step.Sequences)
        {
            WriteSequence(sequence, target);
            target = target[SequenceBytes..];
        }

        WriteNumbers(step.Tokens, target);
        WriteNumbers(step.Blocks, target[(step.Tokens.Length * sizeof(int))..]);
        target = target[((step.Tokens.Length + step.Blocks.Length) * sizeof(int))..];
        foreach (BlockCopy copy in step.Copies)
        {
            BinaryPrimitives.WriteInt32LittleEndian(target, copy.Source);
            BinaryPrimitives.WriteInt32LittleEndian(target[4..], copy.Target);
            target = target[CopyBytes..];
        }

        step.Parts.CopyTo(target);
    }

    /// <summary>How long an encoded step is, from its first bytes.</summary>
    /// <param name="header">The first <see cref="HeaderBytes"/> bytes.</param>
    /// <param name="tokens">How many tokens it has.</param>
    /// <param name="layers">The layers that compute it.</param>
    /// <exception cref="LinkException">The counts are out of bounds.</exception>
    public static int ReadLength(ReadOnlySpan<byte> header, out int tokens, out LayerSpan layers)
    {
        layers = new LayerSpan(BinaryPrimitives.ReadInt32LittleEndian(header[32..]), BinaryPrimitives.ReadInt32LittleEndian(header[36..]));
        int sequences = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        tokens = BinaryPrimitives.ReadInt32LittleEndian(header[20..]);
        int blocks = BinaryPrimitives.ReadInt32LittleEndian(header[24..]);
        int copies = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        int parts = BinaryPrimitives.ReadInt32LittleEndian(header[40..]);
        if (sequences is < 1 or > Step.MaxTokens || tokens is < 1 or > Step.MaxTokens || blocks is < 1 or > MaxBlocks
            || copies is < 0 or > Step.MaxTokens || parts is < 0 or > OptionalParts.MaxBytes)
        {
            throw new LinkException(
                $"A step announces {sequences} sequences, {tokens} tokens, {blocks} blocks, {copies} copies and {parts} bytes of parts.");
        }

        return Bytes(sequences, tokens, blocks, copies, parts);
    }

    /// <summary>Reads a step whose length was found by <see cref="ReadLength"/>.</summary>
    /// <param name="source">The encoded step.</param>
    /// <param name="step">Emptied and filled.</param>
    /// <param name="isLast">Whether the reader is the last stage, whom parts for the last stage concern, too.</param>
    /// <exception cref="LinkException">
    /// Its sequences do not add up to its tokens and blocks, or one of its parts must be understood and is unknown.
    /// </exception>
    public static void Read(ReadOnlySpan<byte> source, Step step, bool isLast)
    {
        ArgumentNullException.ThrowIfNull(step);
        step.Clear();
        step.Epoch = BinaryPrimitives.ReadUInt64LittleEndian(source);
        step.Number = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]);
        step.FirstLayer = BinaryPrimitives.ReadInt32LittleEndian(source[32..]);
        step.EndLayer = BinaryPrimitives.ReadInt32LittleEndian(source[36..]);
        int sequences = BinaryPrimitives.ReadInt32LittleEndian(source[16..]);
        int tokens = BinaryPrimitives.ReadInt32LittleEndian(source[20..]);
        int blocks = BinaryPrimitives.ReadInt32LittleEndian(source[24..]);
        ReadOnlySpan<byte> tokenBytes = source.Slice(HeaderBytes + (sequences * SequenceBytes), tokens * sizeof(int));
        int copies = BinaryPrimitives.ReadInt32LittleEndian(source[28..]);
        int partBytes = BinaryPrimitives.ReadInt32LittleEndian(source[40..]);
        ReadOnlySpan<byte> parts = source[^partBytes..];
        OptionalParts.Check(parts, sequences, isLast);
        step.AddParts(parts);
        source = source[..^partBytes];
        ReadOnlySpan<byte> copyBytes = source[^(copies * CopyBytes)..];
        ReadOnlySpan<byte> blockBytes = source[^((copies * CopyBytes) + (blocks * sizeof(int)))..^(copies * CopyBytes)];
        for (; copyBytes.Length > 0; copyBytes = copyBytes[CopyBytes..])
            step.AddCopy(BinaryPrimitives.ReadInt32LittleEndian(copyBytes), BinaryPrimitives.ReadInt32LittleEndian(copyBytes[4..]));
        int[] numbers = ArrayPool<int>.Shared.Rent(tokens + blocks);
        try
        {
            ReadNumbers(tokenBytes, numbers.AsSpan(0, tokens));
            ReadNumbers(blockBytes, numbers.AsSpan(tokens, blocks));
            int token = 0;
            int block = tokens;
            for (int i = 0; i < sequences; i++)
            {
                StepSequence sequence = ReadSequence(source.Slice(HeaderBytes + (i * SequenceBytes), SequenceBytes));
                if (sequence.TokenCount < 0 || sequence.TokenCount > tokens - token
                    || sequence.BlockCount < 0 || sequence.BlockCount > tokens + blocks - block)
                    throw new LinkException($"Sequence {i} of a step has more tokens or blocks than the step.");
                Add(step, sequence, numbers.AsSpan(token, sequence.TokenCount), numbers.AsSpan(block, sequence.BlockCount));
                token += sequence.TokenCount;
                block += sequence.BlockCount;
            }

            if (token != tokens || block != tokens + blocks)
                throw new LinkException("The sequences of a step have fewer tokens or blocks than the step.");
        }
        finally
        {
            ArrayPool<int>.Shared.Return(numbers);
        }
    }

    private static int Bytes(int sequences, int tokens, int blocks, int copies, int parts) =>
        HeaderBytes + (sequences * SequenceBytes) + ((tokens + blocks) * sizeof(int)) + (copies * CopyBytes) + parts;

    private static void Add(Step step, StepSequence sequence, ReadOnlySpan<int> tokens, ReadOnlySpan<int> blocks)
    {
        if (sequence.Samples)
            step.AddSamplingSequence(sequence.FirstPosition, tokens, blocks, sequence.Sampling, sequence.Number, sequence.TopLogprobs);
        else
            step.AddSequence(sequence.FirstPosition, tokens, blocks);
    }

    private static void WriteSequence(StepSequence sequence, Span<byte> target)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, sequence.FirstPosition);
        BinaryPrimitives.WriteInt32LittleEndian(target[4..], sequence.TokenCount);
        BinaryPrimitives.WriteInt32LittleEndian(target[8..], sequence.BlockCount);
        BinaryPrimitives.WriteInt32LittleEndian(target[12..], sequence.Samples ? Samples : 0);
        BinaryPrimitives.WriteSingleLittleEndian(target[16..], sequence.Sampling.Temperature);
        BinaryPrimitives.WriteInt32LittleEndian(target[20..], sequence.Sampling.TopK);
        BinaryPrimitives.WriteSingleLittleEndian(target[24..], sequence.Sampling.TopP);
        BinaryPrimitives.WriteSingleLittleEndian(target[28..], sequence.Sampling.MinP);
        BinaryPrimitives.WriteDoubleLittleEndian(target[32..], sequence.Number);
        BinaryPrimitives.WriteInt32LittleEndian(target[40..], sequence.TopLogprobs);
    }

    /// <exception cref="LinkException">It has a flag that is unknown: what it means cannot be left out.</exception>
    private static StepSequence ReadSequence(ReadOnlySpan<byte> source)
    {
        int flags = BinaryPrimitives.ReadInt32LittleEndian(source[12..]);
        if ((flags & ~Samples) != 0) throw new LinkException($"A sequence of a step has the flags 0x{flags:X}; expected 0 or {Samples}.");
        return new StepSequence
        {
            FirstPosition = BinaryPrimitives.ReadInt32LittleEndian(source),
            TokenOffset = 0,
            TokenCount = BinaryPrimitives.ReadInt32LittleEndian(source[4..]),
            BlockOffset = 0,
            BlockCount = BinaryPrimitives.ReadInt32LittleEndian(source[8..]),
            Samples = flags == Samples,
            Sampling = new SamplingParameters
            {
                Temperature = BinaryPrimitives.ReadSingleLittleEndian(source[16..]),
                TopK = BinaryPrimitives.ReadInt32LittleEndian(source[20..]),
                TopP = BinaryPrimitives.ReadSingleLittleEndian(source[24..]),
                MinP = BinaryPrimitives.ReadSingleLittleEndian(source[28..]),
            },
            Number = BinaryPrimitives.ReadDoubleLittleEndian(source[32..]),
            TopLogprobs = BinaryPrimitives.ReadInt32LittleEndian(source[40..]),
        };
    }

    private static void WriteNumbers(ReadOnlySpan<int> numbers, Span<byte> target) => MemoryMarshal.AsBytes(numbers).CopyTo(target);

    private static void ReadNumbers(ReadOnlySpan<byte> source, Span<int> numbers) => source.CopyTo(MemoryMarshal.AsBytes(numbers));
}
