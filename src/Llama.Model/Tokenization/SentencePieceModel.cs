using System.Globalization;
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
    private string endOfTextPiece = "</s>";
    private long modelType = 1;
    private bool byteFallback;
    private bool whitespaceAsSuffix;
    private bool addDummyPrefix = true;
    private bool removeExtraWhitespaces = true;
    private bool escapeWhitespaces = true;
    private bool hasCharacterMap;

    private SentencePieceModel(string file) => this.file = file;

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
    /// <param name="facts">What the files beside it say.</param>
    /// <exception cref="CheckpointException">Pieces are missing or contradict each other.</exception>
    public ITokenizer CreateTokenizer(TokenizerFacts facts)
    {
        SpacePrefix prefix = addDummyPrefix ? SpacePrefix.Always : SpacePrefix.Never;
        var spaces = new SpaceRules(prefix, PrefixBeforeSpace: true, removeExtraWhitespaces);
        return SentencePieceVocabulary.CreateTokenizer(file, pieces, facts, beginOfTextPiece, endOfTextPiece, spaces);
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
                case 47:
                    endOfTextPiece = reader.ReadString();
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
}
