using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>Turns tokens into text one by one, never half a character.</summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="startsText">Whether the first token begins a text, and so loses the space that the tokenizer put before it.</param>
public sealed class StreamingDecoder(ITokenizer tokenizer, bool startsText)
{
    private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
    private bool dropsSpace = startsText && tokenizer.AddsLeadingSpace;

    /// <summary>The text that a token completes.</summary>
    /// <param name="token">Its id.</param>
    public string Append(int token)
    {
        var bytes = tokenizer.TokenBytes(token);
        if (dropsSpace && bytes.Length > 0)
        {
            dropsSpace = false;
            if (bytes[0] == ' ') bytes = bytes[1..];
        }

        return Decode(bytes, flush: false);
    }

    /// <summary>What is left of an incomplete character.</summary>
    public string Flush() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        var chars = new char[decoder.GetCharCount(bytes, flush)];
        return new string(chars, 0, decoder.GetChars(bytes, chars, flush));
    }
}
