using System.Buffers.Binary;

namespace Llama.Model.Layers;

/// <summary>
/// An optional part of a step, as links carry it: its tag (four letters, ASCII), what it is about (4 bytes, little-endian: the index of a
/// sequence of the step; -1 for the whole), its length (4), and so many bytes.
/// </summary>
public readonly ref struct StepPart
{
    /// <summary>Bytes before the contents.</summary>
    public const int HeaderBytes = 12;

    /// <summary>The tokens that a sequence may sample, as <see cref="Grammars.TokenMask"/> writes them.</summary>
    public static ReadOnlySpan<byte> Mask => "Mask"u8;

    /// <summary>Its tag.</summary>
    public ReadOnlySpan<byte> Tag { get; private init; }

    /// <summary>The sequence that it is about; -1 for the whole step.</summary>
    public int Sequence { get; private init; }

    /// <summary>Its contents.</summary>
    public ReadOnlySpan<byte> Contents { get; private init; }

    /// <summary>Writes what comes before the contents.</summary>
    /// <param name="target">At least <see cref="HeaderBytes"/> bytes.</param>
    /// <param name="tag">The tag.</param>
    /// <param name="sequence">The sequence that it is about.</param>
    /// <param name="length">Bytes of the contents.</param>
    public static void WriteHeader(Span<byte> target, ReadOnlySpan<byte> tag, int sequence, int length)
    {
        tag.CopyTo(target);
        BinaryPrimitives.WriteInt32LittleEndian(target[4..], sequence);
        BinaryPrimitives.WriteInt32LittleEndian(target[8..], length);
    }

    /// <summary>Takes the first of some parts.</summary>
    /// <param name="parts">The parts, which were checked; then those that are left.</param>
    /// <param name="part">The first.</param>
    /// <returns>False when there are none.</returns>
    public static bool TryTake(ref ReadOnlySpan<byte> parts, out StepPart part)
    {
        part = default;
        if (parts.Length < HeaderBytes) return false;
        int end = HeaderBytes + BinaryPrimitives.ReadInt32LittleEndian(parts[8..]);
        part = new StepPart
        {
            Tag = parts[..4],
            Sequence = BinaryPrimitives.ReadInt32LittleEndian(parts[4..]),
            Contents = parts[HeaderBytes..end],
        };
        parts = parts[end..];
        return true;
    }
}
