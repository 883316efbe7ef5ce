using System.Buffers;
using Llama.Model.Tokenization;

namespace Llama.Grains.Text;

/// <summary>
/// The bytes of a vocabulary's tokens, id by id: 2 × length + 1 for a byte token (<see cref="IVocabulary.IsByte"/>), in groups of seven
/// bits with the lowest first, each but the last with the high bit set, and the bytes.
/// </summary>
public static class VocabularyCodec
{
    private const int MaxLengthBytes = 5;

    /// <summary>The bytes of a vocabulary.</summary>
    /// <param name="vocabulary">The vocabulary.</param>
    public static ReadOnlyMemory<byte> Write(IVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        var bytes = new ArrayBufferWriter<byte>();
        for (int id = 0; id < vocabulary.VocabSize; id++)
        {
            ReadOnlySpan<byte> token = vocabulary.TokenBytes(id);
            Span<byte> target = bytes.GetSpan(MaxLengthBytes + token.Length);
            int written = 0;
            uint head = ((uint)token.Length << 1) | (vocabulary.IsByte(id) ? 1u : 0);
            for (; head >= 0x80; head >>= 7) target[written++] = (byte)(head | 0x80);
            target[written++] = (byte)head;
            token.CopyTo(target[written..]);
            bytes.Advance(written + token.Length);
        }

        return bytes.WrittenMemory;
    }

    /// <summary>Reads a vocabulary.</summary>
    /// <param name="bytes">All of its bytes.</param>
    /// <param name="addsLeadingSpace">See <see cref="IVocabulary.AddsLeadingSpace"/>.</param>
    /// <exception cref="InvalidDataException">The bytes end within a token.</exception>
    public static IVocabulary Read(byte[] bytes, bool addsLeadingSpace)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        var tokens = new List<Token>();
        for (int at = 0; at < bytes.Length;)
        {
            uint head = 0;
            int shift = 0;
            byte part;
            do
            {
                if (at == bytes.Length || shift >= 7 * MaxLengthBytes) throw Bad(tokens.Count);
                part = bytes[at++];
                head |= (uint)(part & 0x7F) << shift;
                shift += 7;
            }
            while (part >= 0x80);
            if (head >> 1 > bytes.Length - at) throw Bad(tokens.Count);
            tokens.Add(new Token(at, (int)(head >> 1), (head & 1) == 1));
            at += (int)(head >> 1);
        }

        return new ReadVocabulary(bytes, [.. tokens], addsLeadingSpace);
    }

    private static InvalidDataException Bad(int token) => new($"The vocabulary's bytes end within token {token}.");

    private readonly record struct Token(int Start, int Length, bool IsByte);

    private sealed class ReadVocabulary(byte[] bytes, Token[] tokens, bool addsLeadingSpace) : IVocabulary
    {
        public int VocabSize => tokens.Length;

        public bool AddsLeadingSpace => addsLeadingSpace;

        public ReadOnlySpan<byte> TokenBytes(int id) =>
            (uint)id < (uint)tokens.Length ? bytes.AsSpan(tokens[id].Start, tokens[id].Length) : [];

        public bool IsByte(int id) => (uint)id < (uint)tokens.Length && tokens[id].IsByte;
    }
}
