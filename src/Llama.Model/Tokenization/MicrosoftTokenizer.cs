using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Llama.Model.Tokenization;

/// <summary>
/// A tokenizer for .NET code that works with <see cref="Tokenizer"/>. What it encodes is text: the result never has control tokens. Whether
/// normalization and pre-tokenization are asked for makes no difference, as no vocabulary of ours means anything without them.
/// </summary>
/// <remarks>
/// It stands beside the tokenizers, not above them: nothing that serves a model loads the library.
/// </remarks>
/// <param name="tokenizer">Encodes and decodes.</param>
public sealed class MicrosoftTokenizer(ITokenizer tokenizer) : Tokenizer
{
    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids) => tokenizer.Decode(ids);

    /// <inheritdoc/>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        (idsConsumed, charsWritten) = (0, 0);
        var decoder = new StreamingDecoder(tokenizer, startsText: true);
        int read = 0;
        foreach (int id in ids)
        {
            read++;
            string text = decoder.Append(id);
            if (!text.TryCopyTo(destination[charsWritten..])) return OperationStatus.DestinationTooSmall;
            charsWritten += text.Length;

            // Who goes on from here must not do so within a character.
            if (text.Length > 0 && Rune.DecodeLastFromUtf8(tokenizer.TokenBytes(id), out _, out _) == OperationStatus.Done) idsConsumed = read;
        }

        string rest = decoder.Flush();
        if (!rest.TryCopyTo(destination[charsWritten..])) return OperationStatus.DestinationTooSmall;
        (idsConsumed, charsWritten) = (read, charsWritten + rest.Length);
        return OperationStatus.Done;
    }

    /// <summary>The tokens of a text.</summary>
    /// <param name="text">The text; null for the other one.</param>
    /// <param name="textSpan">The text, if not as a string.</param>
    /// <param name="settings">How many tokens at most.</param>
    /// <returns>
    /// The tokens. Their places are those in the normalized text: all that the tokens spell, or the text itself where it is the same. A token
    /// ends behind the last character that is whole with it.
    /// </returns>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        text ??= textSpan.ToString();
        IReadOnlyList<int> ids = tokenizer.Encode(text);
        string spelled = tokenizer.Decode(ids, startsText: false);
        var tokens = new List<EncodedToken>(Math.Min(ids.Count, settings.MaxTokenCount));
        int start = 0, characters = 0, bytes = 0, next = 0;
        foreach (int id in ids.Take(settings.MaxTokenCount))
        {
            ReadOnlySpan<byte> own = tokenizer.TokenBytes(id);
            bytes += own.Length;
            while (characters < spelled.Length && Rune.DecodeFromUtf16(spelled.AsSpan(characters), out Rune rune, out int length) == OperationStatus.Done)
            {
                if (next + rune.Utf8SequenceLength > bytes) break;
                next += rune.Utf8SequenceLength;
                characters += length;
            }

            tokens.Add(new EncodedToken(id, Encoding.UTF8.GetString(own), new Range(start, characters)));
            start = characters;
        }

        return new EncodeResults<EncodedToken>
        {
            Tokens = tokens,
            NormalizedText = spelled == text ? null : spelled,
            CharsConsumed = characters,
        };
    }
}
