using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>
/// SentencePiece's byte-pair encoding with byte fallback, as Llama 1, 2 and Code Llama use it (T. Kudo and J. Richardson, 2018,
/// arXiv:1808.06226): spaces become U+2581, characters merge over the whole text, and a character that is no token becomes its UTF-8 bytes.
/// </summary>
internal sealed class SentencePieceTokenizer : BytePairTokenizer
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> pieces;
    private readonly int[] byteTokens;
    private readonly HashSet<int> byteTokenSet;
    private readonly NameMatcher userDefined;

    /// <summary>A tokenizer from what its file says.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="pieces">The tokens that ordinary text can become, by text.</param>
    /// <param name="merges">How pieces merge.</param>
    /// <param name="byteTokens">By byte: the token that stands for it.</param>
    /// <param name="spaces">What happens to spaces.</param>
    /// <param name="userDefined">Pieces that are taken from the escaped text before anything merges.</param>
    public SentencePieceTokenizer(
        Vocabulary vocabulary,
        Dictionary<string, int> pieces,
        MergeTable merges,
        int[] byteTokens,
        SpaceRules spaces,
        IReadOnlyDictionary<string, int> userDefined)
        : base(vocabulary)
    {
        this.pieces = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        Merges = merges;
        this.byteTokens = byteTokens;
        byteTokenSet = [.. byteTokens];
        Spaces = spaces;
        UserDefined = userDefined;
        this.userDefined = new NameMatcher(userDefined, vocabulary.Rules);
    }

    /// <summary>The tokens that ordinary text can become, by text.</summary>
    public IReadOnlyDictionary<string, int> Pieces => pieces.Dictionary;

    /// <summary>How pieces merge.</summary>
    public MergeTable Merges { get; }

    /// <summary>By byte: the token that stands for it.</summary>
    public IReadOnlyList<int> ByteTokens => byteTokens;

    /// <summary>What happens to spaces.</summary>
    public SpaceRules Spaces { get; }

    /// <summary>Pieces that are taken from the escaped text before anything merges.</summary>
    public IReadOnlyDictionary<string, int> UserDefined { get; }

    /// <inheritdoc/>
    public override bool AddsLeadingSpace => Spaces.Prefix != SpacePrefix.Never;

    /// <inheritdoc/>
    public override int? FindSpecial(string name) => base.FindSpecial(name) ?? userDefined.Find(name);

    /// <inheritdoc/>
    public override bool IsByte(int id) => byteTokenSet.Contains(id);

    /// <inheritdoc/>
    protected override void EncodeSegment(ReadOnlySpan<char> text, bool startsText, List<int> ids)
    {
        ReadOnlySpan<char> escaped = Spaces.Apply(text, startsText);
        var symbols = new int[escaped.Length];
        int count = 0;
        while (!escaped.IsEmpty)
        {
            int end = userDefined.IndexIn(escaped, out int nameLength, out int id);
            AppendCharacters(end < 0 ? escaped : escaped[..end], symbols, ref count);
            if (end < 0) break;
            symbols[count++] = id;
            escaped = escaped[(end + nameLength)..];
        }

        count = new PairMerger(Merges).Merge(symbols.AsSpan(0, count));
        foreach (int symbol in symbols.AsSpan(0, count))
            AppendToken(symbol, ids);
    }

    private void AppendCharacters(ReadOnlySpan<char> text, int[] symbols, ref int count)
    {
        while (!text.IsEmpty)
        {
            // A lone surrogate decodes as U+FFFD, which must not be looked up by the surrogate itself.
            Rune.DecodeFromUtf16(text, out Rune rune, out int length);
            ReadOnlySpan<char> character = rune == Rune.ReplacementChar ? "\uFFFD" : text[..length];
            symbols[count++] = pieces.TryGetValue(character, out int id) ? id : ~rune.Value;
            text = text[length..];
        }
    }

    private void AppendToken(int symbol, List<int> ids)
    {
        if (symbol >= 0)
        {
            ids.Add(symbol);
            return;
        }
        Span<byte> utf8 = stackalloc byte[4];
        int length = new Rune(~symbol).EncodeToUtf8(utf8);
        foreach (byte value in utf8[..length])
            ids.Add(byteTokens[value]);
    }
}
