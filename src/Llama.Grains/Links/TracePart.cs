using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Llama.Grains.Links;

/// <summary>
/// The optional part <c>tRac</c> of a step: the span that a sequence's tokens belong to, in the form of W3C Trace Context
/// (<c>traceparent</c>, a line feed, <c>tracestate</c>), with the phase as our entry <c>llama</c> of <c>tracestate</c>. Only sequences that are traced have
/// one.
/// </summary>
internal static class TracePart
{
    private const string VendorKey = "llama=";
    private const int ParentChars = 55;
    private static readonly byte[] Tag = "tRac"u8.ToArray();

    /// <summary>A part for sequence 0; bytes 4 to 7 say which.</summary>
    /// <param name="span">The span.</param>
    /// <param name="phase">What the tokens are computed for.</param>
    public static byte[] Encode(Activity span, string phase)
    {
        string flags = span.Recorded ? "01" : "00";
        byte[] text = Encoding.ASCII.GetBytes($"00-{span.TraceId}-{span.SpanId}-{flags}\n{VendorKey}{phase}");
        byte[] part = new byte[OptionalParts.HeaderBytes + text.Length];
        Tag.CopyTo(part, 0);
        BinaryPrimitives.WriteInt32LittleEndian(part.AsSpan(8), text.Length);
        text.CopyTo(part, OptionalParts.HeaderBytes);
        return part;
    }

    /// <summary>Reads the first part of a kind of this, and moves behind it. What is malformed is passed over: no step fails for it.</summary>
    /// <param name="parts">Parts that <see cref="OptionalParts.Check"/> has seen.</param>
    /// <param name="found">The part.</param>
    /// <returns>False when there is none.</returns>
    public static bool TryRead(ref ReadOnlySpan<byte> parts, out TracedSequence found)
    {
        while (parts.Length > 0)
        {
            ReadOnlySpan<byte> part = parts;
            int bytes = BinaryPrimitives.ReadInt32LittleEndian(part[8..]);
            parts = parts[(OptionalParts.HeaderBytes + bytes)..];
            if (!part[..4].SequenceEqual(Tag)) continue;
            int sequence = BinaryPrimitives.ReadInt32LittleEndian(part[4..]);
            if (sequence >= 0 && TryRead(part.Slice(OptionalParts.HeaderBytes, bytes), sequence, out found)) return true;
        }

        found = default;
        return false;
    }

    private static bool TryRead(ReadOnlySpan<byte> text, int sequence, out TracedSequence found)
    {
        found = default;
        if (text.Length < ParentChars || !IsParent(text[..ParentChars])) return false;
        if (!UInt128.TryParse(text[3..35], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out UInt128 trace)
            || !ulong.TryParse(text[36..52], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong span)
            || trace == 0 || span == 0)
            return false;
        bool decodes = text[ParentChars..].IndexOf("llama=decode"u8) >= 0;
        found = new TracedSequence(sequence, trace, span, decodes);
        return true;
    }

    private static bool IsParent(ReadOnlySpan<byte> text) =>
        text[..3].SequenceEqual("00-"u8) && text[35] == '-' && text[52] == '-' && text[53..55].SequenceEqual("01"u8);
}

/// <summary>A sequence of a step that is traced.</summary>
/// <param name="Sequence">Its index in the step.</param>
/// <param name="Trace">The trace.</param>
/// <param name="Span">The span of its present phase.</param>
/// <param name="Decodes">Whether it decodes; else its prompt is computed.</param>
internal readonly record struct TracedSequence(int Sequence, UInt128 Trace, ulong Span, bool Decodes)
{
    /// <summary>The phase as the parent, or the link, of another span.</summary>
    public ActivityContext Context => new(
        ActivityTraceId.CreateFromString(Trace.ToString("x32", CultureInfo.InvariantCulture)),
        ActivitySpanId.CreateFromString(Span.ToString("x16", CultureInfo.InvariantCulture)),
        ActivityTraceFlags.Recorded, traceState: null, isRemote: true);
}
