using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>The metadata of a GGUF file that describe a tokenizer; <see cref="GgufTokenizer"/> reads them back.</summary>
public static class GgufTokenizerWriter
{
    /// <summary>Describes a tokenizer.</summary>
    /// <param name="tokenizer">The tokenizer, or null for none.</param>
    /// <param name="config">The model, for its end tokens and the size of its vocabulary.</param>
    /// <exception cref="CheckpointException">GGUF has no name for the way in which it cuts text.</exception>
    public static IEnumerable<KeyValuePair<string, object>> Metadata(ITokenizer? tokenizer, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        List<KeyValuePair<string, object>> metadata = tokenizer switch
        {
            SentencePieceTokenizer sentencePiece => OfSentencePiece(sentencePiece, config.VocabSize),
            ByteLevelTokenizer byteLevel => OfByteLevel(byteLevel, config.VocabSize),
            _ => [new(GgufTokenizer.Model, GgufTokenizer.None)],
        };
        metadata.AddRange(EndTokens(tokenizer, config));
        if (tokenizer is null) return metadata;
        if (tokenizer.BeginOfText is { } begin) metadata.Add(new(GgufTokenizer.BeginOfText, begin));
        metadata.Add(new(GgufTokenizer.AddBeginOfText, tokenizer.PromptStart.Count > 0));
        metadata.Add(new(GgufTokenizer.AddEndOfText, tokenizer.PromptEnd.Count > 0));
        if (tokenizer.Infill is { } infill) metadata.AddRange(Infill(infill));
        return metadata;
    }

    private static IEnumerable<KeyValuePair<string, object>> Infill(InfillTokens tokens)
    {
        yield return new(GgufTokenizer.InfillPrefix, tokens.Prefix);
        yield return new(GgufTokenizer.InfillSuffix, tokens.Suffix);
        yield return new(GgufTokenizer.InfillMiddle, tokens.Middle);
        if (tokens.Repository is { } repository) yield return new(GgufTokenizer.InfillRepository, repository);
        if (tokens.File is { } file) yield return new(GgufTokenizer.InfillFile, file);
    }

    // The configuration's first, since the format has room for three; readers find those that have a usual name by that name.
    private static IEnumerable<KeyValuePair<string, object>> EndTokens(ITokenizer? tokenizer, ModelConfig config)
    {
        List<int> ends = [.. config.EndTokens.Union(tokenizer?.EndTokens ?? [])];
        int? endOfMessage = tokenizer?.FindSpecial("<|eom_id|>") is { } token && ends.Remove(token) ? token : null;
        if (ends.Count > 2) endOfMessage ??= ends[2];
        if (ends.Count > 0) yield return new(GgufTokenizer.EndOfText, ends[0]);
        if (ends.Count > 1) yield return new(GgufTokenizer.EndOfTurn, ends[1]);
        if (endOfMessage is { } last) yield return new(GgufTokenizer.EndOfMessage, last);
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
            new(GgufTokenizer.Pattern, tokenizer.PreTokenizer.Name ?? throw new CheckpointException(
                "The tokenizer.json cuts text in a way that GGUF has no name for; it cannot be converted.")),
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
