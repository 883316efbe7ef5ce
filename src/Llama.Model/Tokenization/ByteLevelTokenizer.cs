using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>
/// Byte-level byte-pair encoding, as tiktoken does it: a pattern cuts the text, and in each piece bytes merge.
/// Tokens are kept as strings in which a character below U+0100 stands for a byte.
/// </summary>
internal sealed class ByteLevelTokenizer : BytePairTokenizer
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> pieces;

    /// <summary>A tokenizer from what its file says.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="pieces">The ordinary tokens, by their bytes as characters; all 256 single bytes are among them.</param>
    /// <param name="merges">How they merge.</param>
    /// <param name="preTokenizer">What cuts a text.</param>
    public ByteLevelTokenizer(Vocabulary vocabulary, Dictionary<string, int> pieces, MergeTable merges, PreTokenizer preTokenizer)
        : base(vocabulary)
    {
        this.pieces = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        Merges = merges;
        PreTokenizer = preTokenizer;
    }

    /// <summary>The ordinary tokens, by their bytes as characters.</summary>
    public IReadOnlyDictionary<string, int> Pieces => pieces.Dictionary;

    /// <summary>How they merge.</summary>
    public MergeTable Merges { get; }

    /// <summary>What cuts a text.</summary>
    public PreTokenizer PreTokenizer { get; }

    /// <inheritdoc/>
    public override bool AddsLeadingSpace => false;

    /// <inheritdoc/>
    public override bool IsByte(int id) => false;

    /// <summary>A byte that the vocabulary has no token for, or null when it is complete.</summary>
    public static int? FindMissingByte(Dictionary<string, int> pieces)
    {
        for (int value = 0; value < 256; value++)
        {
            if (!pieces.ContainsKey(((char)value).ToString())) return value;
        }
        return null;
    }

    /// <inheritdoc/>
    protected override void EncodeSegment(ReadOnlySpan<char> text, bool startsText, List<int> ids)
    {
        var merger = new PairMerger(Merges);
        byte[] utf8 = [];
        var lengths = new List<int>();
        PreTokenizer.Split(text, lengths);
        foreach (int length in lengths)
        {
            int maxBytes = Encoding.UTF8.GetMaxByteCount(length);
            if (utf8.Length < maxBytes) utf8 = new byte[2 * maxBytes];
            int bytes = Encoding.UTF8.GetBytes(text[..length], utf8);
            EncodePiece(utf8.AsSpan(0, bytes), merger, ids);
            text = text[length..];
        }
    }

    private void EncodePiece(ReadOnlySpan<byte> utf8, PairMerger merger, List<int> ids)
    {
        Span<char> piece = utf8.Length <= Vocabulary.MaxTokenLength ? stackalloc char[utf8.Length] : new char[utf8.Length];
        Encoding.Latin1.GetChars(utf8, piece);
        if (PreTokenizer.WholePiecesFirst && pieces.TryGetValue(piece, out int whole))
        {
            ids.Add(whole);
            return;
        }

        Span<int> symbols = utf8.Length <= Vocabulary.MaxTokenLength ? stackalloc int[utf8.Length] : new int[utf8.Length];
        for (int i = 0; i < piece.Length; i++)
            symbols[i] = pieces[piece.Slice(i, 1)];
        ids.AddRange(symbols[..merger.Merge(symbols)]);
    }
}
