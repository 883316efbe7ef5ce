using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>What every vocabulary can do by means of its interface.</summary>
public static class VocabularyExtensions
{
    /// <summary>The text of a sequence of tokens.</summary>
    /// <param name="vocabulary">The vocabulary.</param>
    /// <param name="tokens">The tokens; special ones give no text.</param>
    /// <param name="startsText">Whether the first token is the first of a whole text, see <see cref="StreamingDecoder"/>.</param>
    public static string Decode(this IVocabulary vocabulary, IEnumerable<int> tokens, bool startsText = true)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        ArgumentNullException.ThrowIfNull(tokens);
        var decoder = new StreamingDecoder(vocabulary, startsText);
        var text = new StringBuilder();
        foreach (int token in tokens)
            text.Append(decoder.Append(token));
        return text.Append(decoder.Flush()).ToString();
    }
}
