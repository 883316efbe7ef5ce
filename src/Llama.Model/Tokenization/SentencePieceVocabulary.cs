using System.Text;
using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>What a piece is (sentencepiece_model.proto, <c>ModelProto.SentencePiece.Type</c>; GGUF has the same numbers).</summary>
internal enum PieceType
{
    /// <summary>Text that merges give.</summary>
    Normal = 1,

    /// <summary>What stands for text that is not known; never, where bytes do.</summary>
    Unknown = 2,

    /// <summary>A special token.</summary>
    Control = 3,

    /// <summary>Text that is taken before anything merges.</summary>
    UserDefined = 4,

    /// <summary>An id without meaning.</summary>
    Unused = 5,

    /// <summary>A byte.</summary>
    Byte = 6,
}

/// <summary>A piece of a SentencePiece vocabulary.</summary>
/// <param name="Text">Its text, spaces as U+2581.</param>
/// <param name="Score">Higher ones merge first.</param>
/// <param name="Type">What the file says that it is.</param>
internal readonly record struct Piece(string Text, float Score, PieceType Type)
{
    /// <summary>What it is used as: a name that marks turns is a special token even where the file says text.</summary>
    public PieceType Kind => Type is PieceType.Normal or PieceType.UserDefined && ControlNames.IsControl(Text) ? PieceType.Control : Type;
}

/// <summary>A list of pieces, by id, from whatever file.</summary>
internal static class SentencePieceVocabulary
{
    /// <summary>The tokenizer of a list of pieces.</summary>
    /// <param name="file">The file they are read from, for messages.</param>
    /// <param name="pieces">The pieces by id; texts of 1 to 256 characters, scores finite.</param>
    /// <param name="findBeginOfText">The begin-of-text token; asked with the control and unknown pieces by name.</param>
    /// <param name="endOfTextPiece">The name of the end-of-text piece, or null where the file does not tell.</param>
    /// <param name="spaces">What happens to spaces.</param>
    /// <exception cref="CheckpointException">Pieces are missing or contradict each other.</exception>
    public static SentencePieceTokenizer CreateTokenizer(
        string file,
        IReadOnlyList<Piece> pieces,
        Func<IReadOnlyDictionary<string, int>, int> findBeginOfText,
        string? endOfTextPiece,
        SpaceRules spaces)
    {
        var names = new HashSet<string>(pieces.Count);
        var normal = new Dictionary<string, int>(pieces.Count);
        var userDefined = new Dictionary<string, int>();
        var special = new Dictionary<string, int>();
        var tokenBytes = new byte[pieces.Count][];
        var byteTokens = new ByteTokens(file);
        for (int id = 0; id < pieces.Count; id++)
        {
            string text = pieces[id].Text;
            if (!names.Add(text)) throw new CheckpointException($"{file}: piece {id} is '{text}' again; expected each piece once.");
            tokenBytes[id] = [];
            switch (pieces[id].Kind)
            {
                case PieceType.Byte:
                    tokenBytes[id] = [byteTokens.Add(text, id)];
                    break;
                case PieceType.Control or PieceType.Unknown:
                    special.Add(text, id);
                    break;
                case PieceType.Unused:
                    break;
                default:
                    (pieces[id].Kind == PieceType.Normal ? normal : userDefined).Add(text, id);
                    tokenBytes[id] = Encoding.UTF8.GetBytes(text.Replace(SpaceRules.Mark, ' '));
                    break;
            }
        }

        var vocabulary = new Vocabulary
        {
            TokenBytes = tokenBytes,
            Special = special,
            BeginOfText = findBeginOfText(special),
            EndOfText = endOfTextPiece is not null && special.TryGetValue(endOfTextPiece, out int end) ? end : null,
        };
        MergeTable merges = MergeTable.FromPieces(normal, RanksByScore(pieces));
        return new SentencePieceTokenizer(vocabulary, normal, merges, byteTokens.All(), spaces, userDefined);
    }

    // Higher scores merge first; pieces of equal score have equal rank, so that the leftmost of them does.
    private static int[] RanksByScore(IReadOnlyList<Piece> pieces)
    {
        float[] scores = new float[pieces.Count];
        int[] ids = new int[pieces.Count];
        for (int id = 0; id < ids.Length; id++) (scores[id], ids[id]) = (-pieces[id].Score, id);
        Array.Sort(scores, ids);
        int[] ranks = new int[ids.Length];
        for (int i = 1; i < ids.Length; i++) ranks[ids[i]] = ranks[ids[i - 1]] + (scores[i] > scores[i - 1] ? 1 : 0);
        return ranks;
    }
}
