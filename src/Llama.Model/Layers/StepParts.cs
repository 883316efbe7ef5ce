using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Llama.Model.Grammars;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>
/// The optional parts of a step that say how a token is sampled, as bytes: a tag (four letters), the index of the sequence (4 bytes,
/// little-endian), a length (4), and the contents. <c>docs/wire.md</c> describes them.
/// </summary>
public static class StepParts
{
    /// <summary>Bytes before the contents of a part.</summary>
    public const int HeaderBytes = 12;

    /// <summary>Presence, frequency and repetition penalty, the count of tokens of the prompt, and the tokens: those first, then the answer's.</summary>
    public static ReadOnlySpan<byte> Penalties => "Pena"u8;

    /// <summary>Tokens and what is added to their logits.</summary>
    public static ReadOnlySpan<byte> Biases => "Bias"u8;

    /// <summary>Tokens that must not be sampled.</summary>
    public static ReadOnlySpan<byte> Denied => "Deny"u8;

    /// <summary>A bit for each token that is allowed.</summary>
    public static ReadOnlySpan<byte> Mask => "Mask"u8;

    /// <summary>The tokens that the sequence's grammar allows, as <see cref="TokenMask"/> writes them.</summary>
    public static ReadOnlySpan<byte> Grammar => "Gram"u8;

    /// <summary>The shape that the tokens of the sequence are computed in, see <see cref="Step.ShapeOf(int)"/>.</summary>
    public static ReadOnlySpan<byte> Shape => "SHap"u8;

    private const int PenaltiesBytes = 16;

    /// <summary>Whether a tag is one of these.</summary>
    /// <param name="tag">Four letters.</param>
    public static bool IsKnown(ReadOnlySpan<byte> tag) =>
        tag.SequenceEqual(Penalties) || tag.SequenceEqual(Biases) || tag.SequenceEqual(Denied) || tag.SequenceEqual(Mask)
        || tag.SequenceEqual(Grammar) || tag.SequenceEqual(Shape);

    /// <summary>Bytes of a mask.</summary>
    /// <param name="vocabSize">Tokens of the model.</param>
    public static int MaskBytes(int vocabSize) => (vocabSize + 7) / 8;

    /// <summary>Appends a part whose contents are the arguments, one after the other.</summary>
    internal static void Add(List<byte> parts, ReadOnlySpan<byte> tag, int sequence, ReadOnlySpan<byte> contents, ReadOnlySpan<byte> more = default)
    {
        int start = parts.Count;
        CollectionsMarshal.SetCount(parts, start + HeaderBytes + contents.Length + more.Length);
        Span<byte> part = CollectionsMarshal.AsSpan(parts)[start..];
        tag.CopyTo(part);
        BinaryPrimitives.WriteInt32LittleEndian(part[4..], sequence);
        BinaryPrimitives.WriteInt32LittleEndian(part[8..], contents.Length + more.Length);
        contents.CopyTo(part[HeaderBytes..]);
        more.CopyTo(part[(HeaderBytes + contents.Length)..]);
    }

    /// <summary>Appends a part of penalties.</summary>
    internal static void Add(List<byte> parts, int sequence, Penalties penalties, ReadOnlySpan<int> prompt, ReadOnlySpan<int> answer)
    {
        Span<byte> start = stackalloc byte[PenaltiesBytes];
        BinaryPrimitives.WriteSingleLittleEndian(start, penalties.Presence);
        BinaryPrimitives.WriteSingleLittleEndian(start[4..], penalties.Frequency);
        BinaryPrimitives.WriteSingleLittleEndian(start[8..], penalties.Repetition);
        BinaryPrimitives.WriteInt32LittleEndian(start[12..], prompt.Length);
        int first = parts.Count;
        Add(parts, Penalties, sequence, start, MemoryMarshal.AsBytes(prompt));
        int bytes = answer.Length * sizeof(int);
        BinaryPrimitives.WriteInt32LittleEndian(
            CollectionsMarshal.AsSpan(parts)[(first + 8)..], PenaltiesBytes + (prompt.Length * sizeof(int)) + bytes);
        parts.AddRange(MemoryMarshal.AsBytes(answer));
    }

    /// <summary>What the parts say of a sequence; they were checked.</summary>
    internal static LogitChanges Read(ReadOnlySpan<byte> parts, int sequence)
    {
        var changes = default(LogitChanges);
        while (TryRead(ref parts, out StepPart part))
        {
            if (part.Sequence != sequence) continue;
            if (part.Tag.SequenceEqual(Mask)) changes = changes with { Mask = part.Contents };
            else if (part.Tag.SequenceEqual(Grammar)) changes = changes with { Grammar = part.Contents };
            else if (part.Tag.SequenceEqual(Denied)) changes = changes with { Denied = Numbers(part.Contents) };
            else if (part.Tag.SequenceEqual(Biases)) changes = changes with { Biases = MemoryMarshal.Cast<byte, TokenBias>(part.Contents) };
            else if (part.Tag.SequenceEqual(Penalties)) changes = ReadPenalties(part.Contents, changes);
        }

        return changes;
    }

    /// <summary>What is wrong with a part; null for one that is good, or that is none of these.</summary>
    internal static string? FindFault(StepPart part, ReadOnlySpan<StepSequence> sequences, int vocabSize)
    {
        if (!IsKnown(part.Tag)) return null;
        if (part.Tag.SequenceEqual(Shape)) return FindFaultOfShape(part, sequences.Length);
        if ((uint)part.Sequence >= (uint)sequences.Length || !sequences[part.Sequence].Samples)
            return $"changes the logits of sequence {part.Sequence}, which samples nothing";
        int length = part.Contents.Length;
        if (part.Tag.SequenceEqual(Mask)) return length == MaskBytes(vocabSize) ? null : $"has a mask of {length} bytes";
        if (part.Tag.SequenceEqual(Grammar)) return TokenMask.FindFault(part.Contents, vocabSize) is { } fault ? $"has a grammar's mask that {fault}" : null;
        if (part.Tag.SequenceEqual(Denied)) return length % sizeof(int) == 0 ? FindFault(Numbers(part.Contents), vocabSize) : $"denies {length} bytes";
        if (part.Tag.SequenceEqual(Biases)) return FindFaultOfBiases(part.Contents, vocabSize);
        if (length < PenaltiesBytes || length % sizeof(int) != 0) return $"has penalties of {length} bytes";
        int prompt = BinaryPrimitives.ReadInt32LittleEndian(part.Contents[12..]);
        if (prompt < 0 || prompt > (length - PenaltiesBytes) / sizeof(int)) return $"has penalties for {prompt} tokens of a prompt";
        return FindFaultOfPenalties(ReadPenalties(part.Contents, default).Penalties) ?? FindFault(Numbers(part.Contents[PenaltiesBytes..]), vocabSize);
    }

    /// <summary>Takes the first part; they were checked to be whole.</summary>
    internal static bool TryRead(scoped ref ReadOnlySpan<byte> parts, out StepPart part)
    {
        part = default;
        if (parts.IsEmpty) return false;
        int length = BinaryPrimitives.ReadInt32LittleEndian(parts[8..]);
        part = new StepPart(parts[..4], BinaryPrimitives.ReadInt32LittleEndian(parts[4..]), parts.Slice(HeaderBytes, length));
        parts = parts[(HeaderBytes + length)..];
        return true;
    }

    private static LogitChanges ReadPenalties(ReadOnlySpan<byte> contents, LogitChanges changes)
    {
        ReadOnlySpan<int> tokens = Numbers(contents[PenaltiesBytes..]);
        int prompt = BinaryPrimitives.ReadInt32LittleEndian(contents[12..]);
        return changes with
        {
            Penalties = new Penalties(
                BinaryPrimitives.ReadSingleLittleEndian(contents), BinaryPrimitives.ReadSingleLittleEndian(contents[4..]),
                BinaryPrimitives.ReadSingleLittleEndian(contents[8..])),
            Prompt = tokens[..prompt],
            Answer = tokens[prompt..],
        };
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

    private static string? FindFault(ReadOnlySpan<int> tokens, int vocabSize)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)vocabSize) return $"changes the logit of token {token}; expected 0 to {vocabSize - 1}";
        }

        return null;
    }

    /// <summary>Numbers are little-endian, as on every machine that .NET runs a silo on.</summary>
    private static ReadOnlySpan<int> Numbers(ReadOnlySpan<byte> contents) => MemoryMarshal.Cast<byte, int>(contents);
}

/// <summary>A part of a step.</summary>
/// <param name="tag">Its tag.</param>
/// <param name="sequence">What sequence it is about; -1 for the whole step.</param>
/// <param name="contents">Its contents.</param>
internal readonly ref struct StepPart(ReadOnlySpan<byte> tag, int sequence, ReadOnlySpan<byte> contents)
{
    /// <summary>Four letters.</summary>
    public ReadOnlySpan<byte> Tag { get; } = tag;

    /// <summary>The index of the sequence; -1 for the whole step.</summary>
    public int Sequence { get; } = sequence;

    /// <summary>Its contents.</summary>
    public ReadOnlySpan<byte> Contents { get; } = contents;
}
