using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;

namespace Llama.Model.Tokenization;

/// <summary>
/// The tokenizer inside a GGUF file (<c>tokenizer.ggml.*</c>): <c>llama</c>, a SentencePiece vocabulary with scores, or <c>gpt2</c> with
/// Llama 3's pattern, a byte-level one with merges.
/// </summary>
internal static class GgufTokenizer
{
    /// <summary>The key of the tokens' texts.</summary>
    public const string Tokens = "tokenizer.ggml.tokens";

    /// <summary>The key of what kind of tokenizer it is.</summary>
    public const string Model = "tokenizer.ggml.model";

    /// <summary>The key of the pattern that cuts a text.</summary>
    public const string Pattern = "tokenizer.ggml.pre";

    /// <summary>The key of the tokens' types.</summary>
    public const string Types = "tokenizer.ggml.token_type";

    /// <summary>The key of the tokens' scores.</summary>
    public const string Scores = "tokenizer.ggml.scores";

    /// <summary>The key of the merges, two tokens with a space between.</summary>
    public const string Merges = "tokenizer.ggml.merges";

    /// <summary>The key of the begin-of-text token.</summary>
    public const string BeginOfText = "tokenizer.ggml.bos_token_id";

    /// <summary>The keys of tokens that end a text, a turn, and a message that awaits a tool.</summary>
    public static IReadOnlyList<string> EndTokenKeys { get; } = [EndOfText, EndOfTurn, EndOfMessage];

    /// <summary>The key of the end-of-text token.</summary>
    public const string EndOfText = "tokenizer.ggml.eos_token_id";

    /// <summary>The key of the token that ends a turn.</summary>
    public const string EndOfTurn = "tokenizer.ggml.eot_token_id";

    /// <summary>The key of the token that ends a message which awaits a tool.</summary>
    public const string EndOfMessage = "tokenizer.ggml.eom_token_id";

    /// <summary>The key of the token before the text before a gap.</summary>
    public const string InfillPrefix = "tokenizer.ggml.fim_pre_token_id";

    /// <summary>The key of the token before the text behind a gap.</summary>
    public const string InfillSuffix = "tokenizer.ggml.fim_suf_token_id";

    /// <summary>The key of the token behind which a gap is filled.</summary>
    public const string InfillMiddle = "tokenizer.ggml.fim_mid_token_id";

    /// <summary>The key of the token before the files of a repository.</summary>
    public const string InfillRepository = "tokenizer.ggml.fim_rep_token_id";

    /// <summary>The key of the token before each file of a repository.</summary>
    public const string InfillFile = "tokenizer.ggml.fim_sep_token_id";

    /// <summary>The key of whether begin-of-text goes before a prompt.</summary>
    public const string AddBeginOfText = "tokenizer.ggml.add_bos_token";

    /// <summary>The key of whether end-of-text goes behind a prompt.</summary>
    public const string AddEndOfText = "tokenizer.ggml.add_eos_token";

    /// <summary>The key of whether a space goes before a text.</summary>
    public const string AddSpacePrefix = "tokenizer.ggml.add_space_prefix";

    /// <summary>The key of whether runs of spaces become one.</summary>
    public const string RemoveExtraWhitespaces = "tokenizer.ggml.remove_extra_whitespaces";

    /// <summary>The value of <see cref="Model"/> for SentencePiece.</summary>
    public const string SentencePiece = "llama";

    /// <summary>The value of <see cref="Model"/> for byte-level tokens.</summary>
    public const string ByteLevel = "gpt2";

    /// <summary>The value of <see cref="Model"/> where there are no tokens.</summary>
    public const string None = "no_vocab";

    // As the three were called before October 2024.
    private const string OldPrefix = "tokenizer.ggml.prefix_token_id";
    private const string OldSuffix = "tokenizer.ggml.suffix_token_id";
    private const string OldMiddle = "tokenizer.ggml.middle_token_id";

    // Llama 3 has 280,147 merges.
    private const int MostMerges = 1 << 22;

    /// <summary>Whether the file has Llama 3's kind of tokenizer.</summary>
    public static bool IsByteLevel(GgufMetadata metadata) => metadata.Text(Model) == ByteLevel;

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="warnings">Receives what is amiss and can be lived with.</param>
    /// <returns>The tokenizer, or null when the file has none.</returns>
    /// <exception cref="CheckpointException">The metadata are malformed, or describe a tokenizer that is not supported.</exception>
    public static ITokenizer? Read(GgufMetadata metadata, List<string> warnings) => metadata.Text(Model) switch
    {
        null or None or "none" => null,
        SentencePiece => ReadSentencePiece(metadata, warnings),
        ByteLevel => ReadByteLevel(metadata, warnings),
        _ => throw metadata.Wrong(Model, $"{SentencePiece}, {ByteLevel} or {None}"),
    };

    private static SentencePieceTokenizer ReadSentencePiece(GgufMetadata metadata, List<string> warnings)
    {
        Piece[] pieces = ReadPieces(metadata, warnings);
        bool addPrefix = metadata.Flag(AddSpacePrefix) ?? true;
        var spaces = new SpaceRules(
            addPrefix ? SpacePrefix.Always : SpacePrefix.Never,
            PrefixBeforeSpace: true,
            Collapse: metadata.Flag(RemoveExtraWhitespaces) ?? false);
        return SentencePieceVocabulary.CreateTokenizer(metadata.Path, pieces, ReadFacts(metadata, pieces), "<s>", "</s>", spaces);
    }

    private static ByteLevelTokenizer ReadByteLevel(GgufMetadata metadata, List<string> warnings)
    {
        PreTokenizer preTokenizer = ReadPreTokenizer(metadata, warnings);
        Piece[] pieces = ReadPieces(metadata, warnings);
        var vocab = new Dictionary<string, int>(pieces.Length);
        var ordinary = new Dictionary<string, int>(pieces.Length);
        var special = new Dictionary<string, int>();
        var added = new Dictionary<string, int>();
        var tokenBytes = new byte[pieces.Length][];
        for (int id = 0; id < pieces.Length; id++)
        {
            string text = pieces[id].Text;
            if (!vocab.TryAdd(text, id)) throw new CheckpointException($"{metadata.Path}: {Tokens}[{id}] is '{text}' again; expected each once.");
            tokenBytes[id] = [];
            switch (pieces[id].Kind)
            {
                case PieceType.Control or PieceType.Unknown:
                    special.Add(text, id);
                    break;
                case PieceType.UserDefined:
                    added.Add(text, id);
                    tokenBytes[id] = Encoding.UTF8.GetBytes(text);
                    break;
                case PieceType.Normal:
                    string bytes = ByteAlphabet.ToBytes(text)
                        ?? throw new CheckpointException($"{metadata.Path}: {Tokens}[{id}] is '{text}', in which a character stands for no byte.");
                    ordinary.Add(bytes, id);
                    tokenBytes[id] = Encoding.Latin1.GetBytes(bytes);
                    break;
            }
        }

        if (ByteLevelTokenizer.FindMissingByte(ordinary) is int missing)
            throw new CheckpointException($"{metadata.Path}: {Tokens} has no token for the single byte 0x{missing:X2}; expected all 256.");
        Vocabulary vocabulary = ReadFacts(metadata, pieces).Complete(
            new Vocabulary { TokenBytes = tokenBytes, Special = special, Added = added },
            name => vocab.TryGetValue(name, out int id) ? id : null,
            begin: null,
            end: null,
            start: preTokenizer.AddsBeginOfText ? null : [],
            last: []);

        return new ByteLevelTokenizer(vocabulary, ordinary, ReadMerges(metadata, vocab), preTokenizer);
    }

    private static PreTokenizer ReadPreTokenizer(GgufMetadata metadata, List<string> warnings)
    {
        string? name = metadata.Text(Pattern);
        if (name is not (null or "default")) return PreTokenizer.Find(name) ?? throw metadata.Wrong(Pattern, $"one of {PreTokenizer.Names}");
        warnings.Add(
            $"{metadata.Path}: {Pattern} {(name is null ? "is not there" : "is 'default'")}, so nothing says how the model's tokenizer cuts a text. "
            + "llama.cpp's default is used, with which answers can be much worse; convert the model anew, or get a newer file");
        return PreTokenizer.Default;
    }

    private static MergeTable ReadMerges(GgufMetadata metadata, Dictionary<string, int> vocab)
    {
        string[] texts = metadata.Texts(Merges, MostMerges, 8 * Vocabulary.MaxTokenLength) ?? throw metadata.Missing(Merges);
        var merges = new MergeList(vocab, vocab.Count, texts.Length);
        for (int i = 0; i < texts.Length; i++)
        {
            ReadOnlySpan<char> text = texts[i];
            int space = text.IndexOf(' ');
            if (space < 0 || !merges.TryAdd(text[..space], text[(space + 1)..]))
                throw new CheckpointException($"{metadata.Path}: {Merges}[{i}] is '{texts[i]}'; expected two tokens that together are one.");
        }

        return merges.ToTable();
    }

    private static Piece[] ReadPieces(GgufMetadata metadata, List<string> warnings)
    {
        // Characters of the byte alphabet take up to two bytes, U+2581 three.
        string[] texts = metadata.Texts(Tokens, Vocabulary.MaxSize, 4 * Vocabulary.MaxTokenLength) ?? throw metadata.Missing(Tokens);
        float[]? scores = metadata.Floats(Scores, Vocabulary.MaxSize);
        int[]? types = metadata.Integers(Types, Vocabulary.MaxSize);
        if (scores is not null && scores.Length != texts.Length) throw metadata.Wrong(Scores, $"{texts.Length} scores, one a token");
        if (types is not null && types.Length != texts.Length) throw metadata.Wrong(Types, $"{texts.Length} types, one a token");
        var pieces = new Piece[texts.Length];
        var empty = new List<int>();
        for (int id = 0; id < pieces.Length; id++)
        {
            pieces[id] = new Piece(texts[id], scores?[id] ?? 0, (PieceType)(types?[id] ?? 1));
            if (texts[id].Length == 0)
            {
                // As llama.cpp calls it; nothing can become it.
                empty.Add(id);
                pieces[id] = new Piece($"[EMPTY_{id}]", 0, PieceType.Unused);
                continue;
            }

            (string text, float score, PieceType type) = pieces[id];
            if (text.Length > Vocabulary.MaxTokenLength)
                throw new CheckpointException($"{metadata.Path}: {Tokens}[{id}] has {text.Length} characters; expected at most {Vocabulary.MaxTokenLength}.");
            if (type is < PieceType.Normal or > PieceType.Byte)
                throw new CheckpointException($"{metadata.Path}: {Types}[{id}] is {(int)type}; expected 1 to 6.");
            if (!float.IsFinite(score)) throw new CheckpointException($"{metadata.Path}: {Scores}[{id}] is no finite number.");
        }

        if (empty.Count > 0)
        {
            warnings.Add($"{metadata.Path}: {Tokens}: {empty.Count} tokens are empty, the first of them {empty[0]}: "
                + "no text becomes them, and they add nothing to a text");
        }

        return pieces;
    }

    private static TokenizerFacts ReadFacts(GgufMetadata metadata, Piece[] pieces)
    {
        return new TokenizerFacts
        {
            BeginOfText = Name(BeginOfText),
            EndOfText = Name(EndOfText),
            AddBeginOfText = metadata.Flag(AddBeginOfText),
            AddEndOfText = metadata.Flag(AddEndOfText),
            Infill = ReadInfill(metadata, pieces.Length),
        };

        string? Name(string key) => metadata.Token(key, pieces.Length) is { } id ? pieces[id].Text : null;
    }

    private static InfillTokens? ReadInfill(GgufMetadata metadata, int vocabSize)
    {
        return (Token(InfillPrefix) ?? Token(OldPrefix)) is { } prefix && (Token(InfillSuffix) ?? Token(OldSuffix)) is { } suffix
            && (Token(InfillMiddle) ?? Token(OldMiddle)) is { } middle
            ? new InfillTokens(prefix, suffix, middle, Token(InfillRepository), Token(InfillFile))
            : null;

        int? Token(string key) => metadata.Token(key, vocabSize);
    }
}
