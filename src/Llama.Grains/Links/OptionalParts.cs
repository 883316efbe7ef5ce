using System.Buffers.Binary;
using System.Text;
using Llama.Model.Layers;

namespace Llama.Grains.Links;

/// <summary>
/// Optional parts behind a step or a result: what later versions add without another form. A part is its tag (four letters, ASCII), what it
/// is about (4 bytes, little-endian: the index of a sequence of the step; -1 for the whole), its length (4), and so many bytes.
/// The case of two letters says who must know the tag, so that one who does not can tell (as with the chunks of PNG, ISO/IEC 15948, 5.4).
/// First letter: a capital must be understood, a small one may be ignored. Second letter: a capital concerns every stage, a small one
/// only the last, and the others pass it on. Whatever a stage makes of a part, it passes it on unchanged. Parts come in the order of what they
/// are about, so one walk over them serves all sequences.
/// </summary>
/// <remarks>
/// The parts of <see cref="StepParts"/> and <see cref="ResultParts"/> are understood, and <see cref="TracePart"/> by those who trace.
/// <c>docs/wire.md</c> says what they hold.
/// </remarks>
public static class OptionalParts
{
    /// <summary>Bytes before the contents of a part.</summary>
    public const int HeaderBytes = StepParts.HeaderBytes;

    /// <summary>Most bytes of all parts together: the largest masks of 131,072 tokens for 2,048 sequences take half of it.</summary>
    public const int MaxBytes = 1 << 26;

    /// <summary>Checks the parts of a step before anything is made of them.</summary>
    /// <param name="parts">All parts.</param>
    /// <param name="sequences">How many sequences they may be about.</param>
    /// <param name="isLast">Whether the reader is the last stage, which parts for the last stage concern, too.</param>
    /// <exception cref="LinkException">They are no parts, or out of order, or one is unknown that the reader must understand; it is named.</exception>
    public static void Check(ReadOnlySpan<byte> parts, int sequences, bool isLast) => CheckAll(parts, sequences, isLast, isStep: true);

    /// <summary>Checks the parts of a result before anything is made of them.</summary>
    /// <param name="parts">All parts.</param>
    /// <exception cref="LinkException">They are no parts, or out of order, or one is unknown that must be understood; it is named.</exception>
    public static void CheckResult(ReadOnlySpan<byte> parts) => CheckAll(parts, Step.MaxTokens, isLast: true, isStep: false);

    private static void CheckAll(ReadOnlySpan<byte> parts, int sequences, bool isLast, bool isStep)
    {
        int last = -1;
        while (parts.Length > 0)
        {
            if (parts.Length < HeaderBytes) throw new LinkException($"{parts.Length} bytes are left of optional parts; expected {HeaderBytes} or more.");
            ReadOnlySpan<byte> tag = parts[..4];
            int sequence = BinaryPrimitives.ReadInt32LittleEndian(parts[4..]);
            int bytes = BinaryPrimitives.ReadInt32LittleEndian(parts[8..]);
            if (!IsTag(tag)) throw new LinkException($"A part has the tag 0x{Convert.ToHexString(tag)}; expected four letters.");
            if (sequence < -1 || sequence >= sequences)
                throw new LinkException($"The part '{Name(tag)}' is about sequence {sequence}; expected -1 to {sequences - 1}.");
            if (sequence < last) throw new LinkException($"The part '{Name(tag)}' about sequence {sequence} is behind one about sequence {last}.");
            last = sequence;
            if (bytes < 0 || bytes > parts.Length - HeaderBytes)
                throw new LinkException($"The part '{Name(tag)}' announces {bytes} bytes; {parts.Length - HeaderBytes} are left.");
            if (char.IsAsciiLetterUpper((char)tag[0]) && !(isStep && StepParts.IsKnown(tag)) && (isLast || char.IsAsciiLetterUpper((char)tag[1])))
                throw new LinkException($"The part '{Name(tag)}' must be understood, and this version does not know it.");
            parts = parts[(HeaderBytes + bytes)..];
        }
    }

    private static bool IsTag(ReadOnlySpan<byte> tag)
    {
        foreach (byte letter in tag)
        {
            if (!char.IsAsciiLetter((char)letter)) return false;
        }

        return true;
    }

    private static string Name(ReadOnlySpan<byte> tag) => Encoding.ASCII.GetString(tag);
}
