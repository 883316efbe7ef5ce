using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>What every tokenizer can do by means of its interface.</summary>
public static class TokenizerExtensions
{
    /// <summary>The text of a sequence of tokens.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="tokens">The tokens; special ones give no text.</param>
    /// <param name="startsText">Whether the first token is the first of a whole text, see <see cref="StreamingDecoder"/>.</param>
    public static string Decode(this ITokenizer tokenizer, IEnumerable<int> tokens, bool startsText = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(tokens);
        var decoder = new StreamingDecoder(tokenizer, startsText);
        var text = new StringBuilder();
        foreach (int token in tokens)
            text.Append(decoder.Append(token));
        return text.Append(decoder.Flush()).ToString();
    }
}
