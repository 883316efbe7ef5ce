namespace Llama.Model.Tokenization;

/// <summary>The metadata of a GGUF file that describe a tokenizer; <see cref="GgufTokenizer"/> reads them back.</summary>
internal static class GgufTokenizerWriter
{
    // In the order of Llama 3's ids: end of text, of a message that awaits a tool, of a turn.
    private static readonly string[] EndTokenNames = ["eos", "eom", "eot"];
    private static readonly string[] TwoEndTokenNames = ["eos", "eot"];

    /// <summary>Describes a tokenizer.</summary>
    /// <param name="tokenizer">The tokenizer, or null for none.</param>
    /// <param name="config">The model, for its special tokens and the size of its vocabulary.</param>
    public static IEnumerable<KeyValuePair<string, object>> Metadata(ITokenizer? tokenizer, ModelConfig config)
    {
        List<KeyValuePair<string, object>> metadata = tokenizer switch
        {
            SentencePieceTokenizer sentencePiece => OfSentencePiece(sentencePiece, config.VocabSize),
            ByteLevelTokenizer byteLevel => OfByteLevel(byteLevel, config.VocabSize),
            _ => [new(GgufTokenizer.Model, GgufTokenizer.None)],
        };
        metadata.Add(new(GgufTokenizer.BeginOfText, config.BeginOfText));
        foreach ((string name, int token) in (config.EndTokens.Count == 2 ? TwoEndTokenNames : EndTokenNames).Zip(config.EndTokens))
            metadata.Add(new($"tokenizer.ggml.{name}_token_id", token));
        if (tokenizer is not null) metadata.Add(new("tokenizer.ggml.add_bos_token", true));
        return metadata;
    }

    private static List<KeyValuePair<string, object>> OfSentencePiece(SentencePieceTokenizer tokenizer, int vocabSize)
    {
        Piece[] pieces = Unused(vocabSize);
        foreach ((string text, int id) in tokenizer.Pieces) Set(pieces, id, text, PieceType.Normal, -tokenizer.Merges.RankOf(id));
        for (int value = 0; value < tokenizer.ByteTokens.Count; value++)
            Set(pieces, tokenizer.ByteTokens[value], ByteTokens.Name(value), PieceType.Byte, 0);
        foreach ((string text, int id) in tokenizer.UserDefined) Set(pieces, id, text, PieceType.UserDefined, 0);
        SetNamed(pieces, tokenizer.Vocabulary);
        return
        [
            new(GgufTokenizer.Model, GgufTokenizer.SentencePiece),
            new(GgufTokenizer.Pattern, "default"),
            .. OfPieces(pieces),
            new(GgufTokenizer.Scores, pieces.Select(piece => piece.Score).ToArray()),
            new(GgufTokenizer.AddSpacePrefix, tokenizer.AddsLeadingSpace),
            new(GgufTokenizer.RemoveExtraWhitespaces, tokenizer.Spaces.Collapse),
        ];
    }

    private static List<KeyValuePair<string, object>> OfByteLevel(ByteLevelTokenizer tokenizer, int vocabSize)
    {
        Piece[] pieces = Unused(vocabSize);
        foreach ((string bytes, int id) in tokenizer.Pieces) Set(pieces, id, ByteAlphabet.OfBytes(bytes), PieceType.Normal, 0);
        SetNamed(pieces, tokenizer.Vocabulary);
        return
        [
            new(GgufTokenizer.Model, GgufTokenizer.ByteLevel),
            new(GgufTokenizer.Pattern, GgufTokenizer.Llama3Pattern),
            .. OfPieces(pieces),
            new(GgufTokenizer.Merges, tokenizer.Merges.InOrder().Select(pair => $"{pieces[pair.Left].Text} {pieces[pair.Right].Text}").ToArray()),
        ];
    }

    private static KeyValuePair<string, object>[] OfPieces(Piece[] pieces) =>
    [
        new(GgufTokenizer.Tokens, pieces.Select(piece => piece.Text).ToArray()),
        new(GgufTokenizer.Types, pieces.Select(piece => (int)piece.Type).ToArray()),
    ];

    // Models may have more rows than their tokenizer has tokens.
    private static Piece[] Unused(int vocabSize) =>
        [.. Enumerable.Range(0, vocabSize).Select(id => new Piece($"[PAD{id}]", 0, PieceType.Unused))];

    private static void SetNamed(Piece[] pieces, Vocabulary vocabulary)
    {
        foreach ((string name, int id) in vocabulary.Added) Set(pieces, id, name, PieceType.UserDefined, 0);

        // Of a renamed token's names the first is the one that its file had.
        foreach ((string name, int id) in vocabulary.Special.Reverse())
            Set(pieces, id, name, name == "<unk>" ? PieceType.Unknown : PieceType.Control, 0);
    }

    private static void Set(Piece[] pieces, int id, string text, PieceType type, float score)
    {
        if (id < pieces.Length) pieces[id] = new Piece(text, score, type);
    }
}
