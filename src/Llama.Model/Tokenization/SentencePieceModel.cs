using System.Globalization;
using System.Text;
using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>
/// SentencePiece's <c>ModelProto</c> (sentencepiece_model.proto), as far as a Llama needs it: pieces, and the settings that change what
/// becomes of a text. Settings that no Llama has are refused by name.
/// </summary>
internal sealed class SentencePieceModel
{
    private readonly string file;
    private readonly List<Piece> pieces = [];
    private string beginOfTextPiece = "<s>";
    private long modelType = 1;
    private bool byteFallback;
    private bool whitespaceAsSuffix;
    private bool addDummyPrefix = true;
    private bool removeExtraWhitespaces = true;
    private bool escapeWhitespaces = true;
    private bool hasCharacterMap;

    private SentencePieceModel(string file) => this.file = file;

    /// <summary><c>ModelProto.SentencePiece.Type</c>; UNUSED (5) is refused.</summary>
    private enum PieceType
    {
        Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
        Byte = 6,
    }

    /// <summary>Reads and checks a model.</summary>
    /// <param name="content">The file's content.</param>
    /// <param name="file">The file's name, for messages.</param>
    /// <exception cref="CheckpointException">The content is malformed or has a setting that is not supported.</exception>
    public static SentencePieceModel Read(ReadOnlySpan<byte> content, string file)
    {
        var model = new SentencePieceModel(file);
        var reader = new ProtobufReader(content, file);
        while (reader.ReadField())
        {
            switch (reader.Field)
            {
                case 1:
                    model.ReadPiece(reader.ReadBytes());
                    break;
                case 2:
                    model.ReadTrainerSpec(reader.ReadBytes());
                    break;
                case 3:
                    model.ReadNormalizerSpec(reader.ReadBytes());
                    break;
                case 5:
                    model.ReadDenormalizerSpec(reader.ReadBytes());
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        model.CheckSettings();
        return model;
    }

    /// <summary>The tokenizer that the model describes.</summary>
    /// <exception cref="CheckpointException">Pieces are missing or contradict each other.</exception>
    public ITokenizer CreateTokenizer()
    {
        var names = new HashSet<string>();
        var normal = new Dictionary<string, int>();
        var userDefined = new Dictionary<string, int>();
        var special = new Dictionary<string, int>();
        var tokenBytes = new byte[pieces.Count][];
        var byteTokens = new ByteTokens(file);
        for (int id = 0; id < pieces.Count; id++)
        {
            (string text, _, PieceType type) = pieces[id];
            if (!names.Add(text)) throw new CheckpointException($"{file}: piece {id} is '{text}' again; expected each piece once.");
            tokenBytes[id] = [];
            switch (type)
            {
                case PieceType.Byte:
                    tokenBytes[id] = [byteTokens.Add(text, id)];
                    break;
                case PieceType.Control or PieceType.Unknown:
                    special.Add(text, id);
                    break;
                default:
                    (type == PieceType.Normal ? normal : userDefined).Add(text, id);
                    tokenBytes[id] = Encoding.UTF8.GetBytes(text.Replace(SpaceRules.Mark, ' '));
                    break;
            }
        }

        if (!special.TryGetValue(beginOfTextPiece, out int beginOfText))
            throw new CheckpointException($"{file} has no control piece '{beginOfTextPiece}', its begin-of-text token.");
        var vocabulary = new Vocabulary { TokenBytes = tokenBytes, Special = special, BeginOfText = beginOfText };
        SpacePrefix prefix = addDummyPrefix ? SpacePrefix.Always : SpacePrefix.Never;
        var spaces = new SpaceRules(prefix, PrefixBeforeSpace: true, removeExtraWhitespaces);
        MergeTable merges = MergeTable.FromPieces(normal, RanksByScore());
        return new SentencePieceTokenizer(vocabulary, normal, merges, byteTokens.All(), spaces, userDefined);
    }

    // Higher scores merge first; pieces of equal score have equal rank, so that the leftmost of them does.
    private int[] RanksByScore()
    {
        float[] scores = [.. pieces.Select(piece => piece.Score).Distinct().OrderDescending()];
        Dictionary<float, int> rankOf = scores.Select((score, rank) => (score, rank)).ToDictionary(pair => pair.score, pair => pair.rank);
        return [.. pieces.Select(piece => rankOf[piece.Score])];
    }

    private void ReadPiece(ReadOnlySpan<byte> message)
    {
        int id = pieces.Count;
        if (id == Vocabulary.MaxSize) throw new CheckpointException($"{file} has more than {id} pieces, more than is supported.");
        string text = "";
        float score = 0;
        var type = PieceType.Normal;
        var reader = new ProtobufReader(message, $"{file}, piece {id}");
        while (reader.ReadField())
        {
            switch (reader.Field)
            {
                case 1:
                    text = reader.ReadString();
                    break;
                case 2:
                    score = reader.ReadFloat();
                    break;
                case 3:
                    long number = reader.ReadVarint();
                    if (number is < 1 or > 6 or 5)
                        throw new CheckpointException($"{file}: piece {id} has type {number}; supported are 1 to 4 and 6 (not 5, UNUSED).");
                    type = (PieceType)number;
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        if (text.Length is 0 or > Vocabulary.MaxTokenLength)
            throw new CheckpointException($"{file}: piece {id} has {text.Length} characters; expected 1 to {Vocabulary.MaxTokenLength}.");
        if (!float.IsFinite(score))
            throw new CheckpointException(string.Create(CultureInfo.InvariantCulture, $"{file}: piece {id} has the score {score}."));
        pieces.Add(new Piece(text, score, type));
    }

    private void ReadTrainerSpec(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(message, $"{file}, trainer_spec");
        while (reader.ReadField())
        {
            switch (reader.Field)
            {
                case 3:
                    modelType = reader.ReadVarint();
                    break;
                case 24:
                    whitespaceAsSuffix = reader.ReadBool();
                    break;
                case 35:
                    byteFallback = reader.ReadBool();
                    break;
                case 46:
                    beginOfTextPiece = reader.ReadString();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
    }

    private void ReadNormalizerSpec(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(message, $"{file}, normalizer_spec");
        while (reader.ReadField())
        {
            switch (reader.Field)
            {
                case 2:
                    hasCharacterMap |= !reader.ReadBytes().IsEmpty;
                    break;
                case 3:
                    addDummyPrefix = reader.ReadBool();
                    break;
                case 4:
                    removeExtraWhitespaces = reader.ReadBool();
                    break;
                case 5:
                    escapeWhitespaces = reader.ReadBool();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
    }

    private void ReadDenormalizerSpec(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(message, $"{file}, denormalizer_spec");
        while (reader.ReadField())
        {
            if (reader.Field == 2)
                hasCharacterMap |= !reader.ReadBytes().IsEmpty;
            else
                reader.Skip();
        }
    }

    private void CheckSettings()
    {
        if (modelType != 2) throw Unsupported("model_type", modelType, "2 (BPE)");
        if (!byteFallback) throw Unsupported("byte_fallback", byteFallback, "true");
        if (whitespaceAsSuffix) throw Unsupported("treat_whitespace_as_suffix", whitespaceAsSuffix, "false");
        if (!escapeWhitespaces) throw Unsupported("escape_whitespaces", escapeWhitespaces, "true");
        if (hasCharacterMap) throw Unsupported("precompiled_charsmap", "not empty", "none (identity normalisation)");
    }

    private CheckpointException Unsupported(string setting, object found, string expected) =>
        new($"{file}: {setting} is {found}; supported is {expected}.");

    private readonly record struct Piece(string Text, float Score, PieceType Type);
}
