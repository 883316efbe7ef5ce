namespace Llama.Model.Tokenization;

/// <summary>The text that token ids stand for. Implementations are immutable and may be used from several threads.</summary>
public interface IVocabulary
{
    /// <summary>Number of ids, special tokens included.</summary>
    int VocabSize { get; }

    /// <summary>
    /// The bytes that a token adds to a text (UTF-8, not necessarily whole characters); empty for special tokens and ids that the
    /// vocabulary lacks.
    /// </summary>
    ReadOnlySpan<byte> TokenBytes(int id);

    /// <summary>Whether a token is one byte of a character that is no token itself: a space among them belongs to the text.</summary>
    bool IsByte(int id);

    /// <summary>
    /// Whether encoding puts a space before a text (SentencePiece's dummy prefix), so that decoding a whole text must drop it.
    /// <see cref="StreamingDecoder"/> does.
    /// </summary>
    bool AddsLeadingSpace { get; }
}
