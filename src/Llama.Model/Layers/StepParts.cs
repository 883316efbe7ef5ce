using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Llama.Model.Grammars;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>
/// The optional parts of a step that say how a token is sampled, and what else the last range tells of a sequence, as bytes: a tag (four
/// letters), the index of the sequence (4 bytes, little-endian), a length (4), and the contents. They come in the order of the sequences.
/// <c>docs/wire.md</c> describes them.
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

    /// <summary>The tokens that may be sampled, as <see cref="TokenMask"/> writes them.</summary>
    public static ReadOnlySpan<byte> Mask => "Mask"u8;

    /// <summary>The log-probabilities of tokens of the prompt are asked for.</summary>
    public static ReadOnlySpan<byte> PromptLogprobs => "Plog"u8;

    /// <summary>The sum of hidden states is asked for.</summary>
    public static ReadOnlySpan<byte> StateSum => "Pool"u8;

    /// <summary>The shape that the tokens of the sequence are computed in, see <see cref="Step.ShapeOf(int)"/>.</summary>
    public static ReadOnlySpan<byte> Shape => "SHap"u8;

    /// <summary>Bytes of a part of penalties before the tokens.</summary>
    internal const int PenaltiesBytes = 16;

    /// <summary>Bytes of a part that asks for outputs before the tokens.</summary>
    internal const int RowsBytes = 8;

    /// <summary>Whether a tag is one of these.</summary>
    /// <param name="tag">Four letters.</param>
    public static bool IsKnown(ReadOnlySpan<byte> tag) => ChangesLogits(tag) || AsksForRows(tag) || tag.SequenceEqual(Shape);

    /// <summary>Appends a part whose contents are the arguments, one after the other.</summary>
    internal static void Add(List<byte> parts, ReadOnlySpan<byte> tag, int sequence, ReadOnlySpan<byte> contents, ReadOnlySpan<byte> more = default)
    {
        int start = parts.Count;
        CollectionsMarshal.SetCount(parts, start + HeaderBytes + contents.Length + more.Length);
        Span<byte> part = CollectionsMarshal.AsSpan(parts)[start..];
        tag.CopyTo(part);
        BinaryPrimitives.WriteInt32LittleEndian(part[4..], sequence);
        contents.CopyTo(part[HeaderBytes..]);
        more.CopyTo(part[(HeaderBytes + contents.Length)..]);
        End(parts, start);
    }

    /// <summary>Writes the length of the last part, whose contents have grown.</summary>
    /// <param name="parts">The parts.</param>
    /// <param name="start">Where it begins.</param>
    internal static void End(List<byte> parts, int start) =>
        BinaryPrimitives.WriteInt32LittleEndian(CollectionsMarshal.AsSpan(parts)[(start + 8)..], parts.Count - start - HeaderBytes);

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
        parts.AddRange(MemoryMarshal.AsBytes(answer));
        End(parts, first);
    }

    /// <summary>Appends a part that is about some of a sequence's tokens.</summary>
    internal static void Add(List<byte> parts, ReadOnlySpan<byte> tag, int sequence, int first, int second, ReadOnlySpan<int> tokens)
    {
        Span<byte> start = stackalloc byte[RowsBytes];
        BinaryPrimitives.WriteInt32LittleEndian(start, first);
        BinaryPrimitives.WriteInt32LittleEndian(start[4..], second);
        Add(parts, tag, sequence, start, MemoryMarshal.AsBytes(tokens));
    }

    /// <summary>What the parts say of a sequence; they were checked.</summary>
    /// <param name="parts">The parts from those of the sequence on; advanced behind these.</param>
    /// <param name="sequence">Its index.</param>
    internal static SequenceParts Read(scoped ref ReadOnlySpan<byte> parts, int sequence)
    {
        var changes = default(LogitChanges);
        var own = default(SequenceParts);
        while (!parts.IsEmpty && SequenceOf(parts) <= sequence && TryRead(ref parts, out StepPart part))
        {
            if (part.Sequence != sequence) continue;
            if (part.Tag.SequenceEqual(Mask)) changes = changes with { Mask = part.Contents };
            else if (part.Tag.SequenceEqual(Denied)) changes = changes with { Denied = Numbers(part.Contents) };
            else if (part.Tag.SequenceEqual(Biases)) changes = changes with { Biases = MemoryMarshal.Cast<byte, TokenBias>(part.Contents) };
            else if (part.Tag.SequenceEqual(Penalties)) changes = ReadPenalties(part.Contents, changes);
            else if (part.Tag.SequenceEqual(PromptLogprobs)) own = own with { PromptLogprobs = PromptRows.Read(part.Contents) };
            else if (part.Tag.SequenceEqual(StateSum)) own = own with { StateSum = StateRows.Read(part.Contents) };
        }

        return own with { Changes = changes };
    }

    /// <summary>Whether a part asks for the output at some of a sequence's positions, so that all layers must compute them.</summary>
    /// <param name="tag">Its tag.</param>
    public static bool AsksForRows(ReadOnlySpan<byte> tag) => tag.SequenceEqual(PromptLogprobs) || tag.SequenceEqual(StateSum);

    /// <summary>Takes the first part; they were checked to be whole.</summary>
    /// <param name="parts">The parts; advanced behind the first.</param>
    /// <param name="part">The first.</param>
    /// <returns>False when there is none.</returns>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> parts, out StepPart part)
    {
        part = default;
        if (parts.IsEmpty) return false;
        int length = BinaryPrimitives.ReadInt32LittleEndian(parts[8..]);
        part = new StepPart(parts[..4], SequenceOf(parts), parts.Slice(HeaderBytes, length));
        parts = parts[(HeaderBytes + length)..];
        return true;
    }

    private static int SequenceOf(ReadOnlySpan<byte> parts) => BinaryPrimitives.ReadInt32LittleEndian(parts[4..]);

    /// <summary>Whether a part changes the logits that a token is sampled from.</summary>
    internal static bool ChangesLogits(ReadOnlySpan<byte> tag) =>
        tag.SequenceEqual(Penalties) || tag.SequenceEqual(Biases) || tag.SequenceEqual(Denied) || tag.SequenceEqual(Mask);

    /// <summary>Reads a part of penalties.</summary>
    internal static LogitChanges ReadPenalties(ReadOnlySpan<byte> contents, LogitChanges changes)
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

    /// <summary>Numbers are little-endian, as on every machine that .NET runs a silo on.</summary>
    internal static ReadOnlySpan<int> Numbers(ReadOnlySpan<byte> contents) => MemoryMarshal.Cast<byte, int>(contents);
}

/// <summary>A part of a step.</summary>
/// <param name="tag">Its tag.</param>
/// <param name="sequence">What sequence it is about; -1 for the whole step.</param>
/// <param name="contents">Its contents.</param>
public readonly ref struct StepPart(ReadOnlySpan<byte> tag, int sequence, ReadOnlySpan<byte> contents)
{
    /// <summary>Four letters.</summary>
    public ReadOnlySpan<byte> Tag { get; } = tag;

    /// <summary>The index of the sequence; -1 for the whole step.</summary>
    public int Sequence { get; } = sequence;

    /// <summary>Its contents.</summary>
    public ReadOnlySpan<byte> Contents { get; } = contents;
}
