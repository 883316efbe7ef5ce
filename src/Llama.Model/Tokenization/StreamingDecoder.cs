using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>
/// Turns tokens into text as they come, never half a character: bytes that do not yet make one wait for the next token, and bytes that
/// never can become U+FFFD. For one text and one thread.
/// </summary>
/// <param name="vocabulary">The vocabulary.</param>
/// <param name="startsText">
/// Whether the first token is the first of a whole text, so that the space that the tokenizer put there is dropped; false for what
/// continues a prompt, whose first space belongs to the text.
/// </param>
public sealed class StreamingDecoder(IVocabulary vocabulary, bool startsText)
{
    private readonly Decoder utf8 = Encoding.UTF8.GetDecoder();
    private bool dropSpace = startsText && vocabulary.AddsLeadingSpace;

    /// <summary>Takes the next token.</summary>
    /// <param name="token">Its id; special tokens and ids that the vocabulary lacks add nothing.</param>
    /// <returns>The characters that are complete now; may be empty.</returns>
    public string Append(int token)
    {
        ReadOnlySpan<byte> bytes = vocabulary.TokenBytes(token);
        if (bytes.IsEmpty) return "";
        if (dropSpace && bytes[0] == (byte)' ' && !vocabulary.IsByte(token)) bytes = bytes[1..];
        dropSpace = false;
        return Decode(bytes, flush: false);
    }

    /// <summary>Ends the text.</summary>
    /// <returns>U+FFFD for a character that was never completed; else empty.</returns>
    public string Flush() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        Span<char> characters = stackalloc char[64];
        int count = utf8.GetCharCount(bytes, flush);
        if (count > characters.Length) characters = new char[count];
        return new string(characters[..utf8.GetChars(bytes, characters, flush)]);
    }
}
