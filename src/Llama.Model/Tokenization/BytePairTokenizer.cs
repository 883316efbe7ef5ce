namespace Llama.Model.Tokenization;

/// <summary>What SentencePiece's and tiktoken's byte-pair tokenizers share: the vocabulary and the names of tokens in a text.</summary>
internal abstract class BytePairTokenizer : ITokenizer
{
    private readonly NameMatcher added;
    private readonly NameMatcher addedAndSpecial;
    private readonly HashSet<int> special;

    private protected BytePairTokenizer(Vocabulary vocabulary)
    {
        Vocabulary = vocabulary;
        added = new NameMatcher(vocabulary.Added, vocabulary.Rules);
        addedAndSpecial = new NameMatcher(vocabulary.Added.Concat(vocabulary.Special), vocabulary.Rules);
        special = [.. vocabulary.Special.Values];
        IEnumerable<int> named = vocabulary.Special.Where(token => ControlNames.EndsAnswer(token.Key)).Select(token => token.Value);
        EndTokens = [.. (vocabulary.EndOfText is { } end ? named.Append(end) : named).Distinct().Order()];
    }

    /// <summary>The tokens.</summary>
    public Vocabulary Vocabulary { get; }

    /// <inheritdoc/>
    public int VocabSize => Vocabulary.TokenBytes.Length;

    /// <inheritdoc/>
    public int? BeginOfText => Vocabulary.BeginOfText;

    /// <inheritdoc/>
    public int? EndOfText => Vocabulary.EndOfText;

    /// <inheritdoc/>
    public IReadOnlyList<int> PromptStart => Vocabulary.PromptStart;

    /// <inheritdoc/>
    public IReadOnlyList<int> PromptEnd => Vocabulary.PromptEnd;

    /// <inheritdoc/>
    public IReadOnlyList<int> EndTokens { get; }

    /// <inheritdoc/>
    public InfillTokens? Infill => Vocabulary.Infill;

    /// <inheritdoc/>
    public abstract bool AddsLeadingSpace { get; }

    /// <inheritdoc/>
    public IReadOnlyList<int> Encode(string text, bool parseSpecial = false) => Encode(text, parseSpecial ? addedAndSpecial : added, null);

    /// <inheritdoc/>
    public IReadOnlyList<int> EncodeTemplate(string text, IReadOnlyList<bool>? fromRequest) =>
        Encode(text, addedAndSpecial, fromRequest is null ? null : (id, start, length) =>
        {
            if (!special.Contains(id)) return true;
            for (int i = start; i < start + length; i++)
            {
                if (fromRequest[i]) return false;
            }

            return true;
        });

    private List<int> Encode(string text, NameMatcher names, Func<int, int, int, bool>? isToken)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        int start = 0;
        while (start < text.Length)
        {
            int offset = start;
            int end = names.IndexIn(
                text.AsSpan(start), out int nameLength, out int id, isToken is null ? null : (name, at, length) => isToken(name, offset + at, length));
            if (end < 0) break;
            if (end > 0) EncodeSegment(text.AsSpan(start, end), start == 0, ids);
            ids.Add(id);
            start += end + nameLength;
        }
        if (start < text.Length) EncodeSegment(text.AsSpan(start), start == 0, ids);
        return ids;
    }

    /// <inheritdoc/>
    public virtual int? FindSpecial(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return addedAndSpecial.Find(name);
    }

    /// <inheritdoc/>
    public string? NameOf(int id) => Vocabulary.Special.Concat(Vocabulary.Added).Where(token => token.Value == id).Select(token => token.Key).FirstOrDefault();

    /// <inheritdoc/>
    public ReadOnlySpan<byte> TokenBytes(int id) => (uint)id < (uint)VocabSize ? Vocabulary.TokenBytes[id] : [];

    /// <inheritdoc/>
    public abstract bool IsByte(int id);

    /// <summary>Encodes what lies between names of tokens.</summary>
    /// <param name="text">The text; not empty.</param>
    /// <param name="startsText">Whether it is the start of the whole text.</param>
    /// <param name="ids">Where the ids are appended.</param>
    protected abstract void EncodeSegment(ReadOnlySpan<char> text, bool startsText, List<int> ids);
}
