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
    /// <param name="facts">What is said of the vocabulary beside its pieces.</param>
    /// <param name="begin">The name of the begin-of-text piece that the pieces' own file has.</param>
    /// <param name="end">The name of its end-of-text piece.</param>
    /// <param name="spaces">What happens to spaces.</param>
    /// <exception cref="CheckpointException">Pieces are missing or contradict each other.</exception>
    public static SentencePieceTokenizer CreateTokenizer(
        string file, IReadOnlyList<Piece> pieces, TokenizerFacts facts, string begin, string end, SpaceRules spaces)
    {
        var names = new Dictionary<string, int>(pieces.Count);
        for (int id = 0; id < pieces.Count; id++)
        {
            string text = pieces[id].Text;
            if (!names.TryAdd(text, id)) throw new CheckpointException($"{file}: piece {id} is '{text}' again; expected each piece once.");
        }

        AddedToken?[] added = AddedById(facts, names, pieces.Count);
        var normal = new Dictionary<string, int>(pieces.Count);
        var userDefined = new Dictionary<string, int>();
        var special = new Dictionary<string, int>();
        var addedText = new Dictionary<string, int>();
        var rules = new Dictionary<string, NameRule>();
        byte[][] tokenBytes = [.. Enumerable.Repeat(Array.Empty<byte>(), added.Length)];
        var byteTokens = new ByteTokens(file);
        for (int id = 0; id < added.Length; id++)
        {
            if (added[id] is { } token)
            {
                (token.IsSpecial ? special : addedText)[token.Name] = id;
                if (!token.IsSpecial) tokenBytes[id] = Encoding.UTF8.GetBytes(token.Name);
                if (token.Rule != default) rules[token.Name] = token.Rule;
                continue;
            }

            if (id >= pieces.Count) continue;
            string text = pieces[id].Text;
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

        Vocabulary vocabulary = facts.Complete(
            new Vocabulary { TokenBytes = tokenBytes, Special = special, Added = addedText, Rules = rules },
            name => names.TryGetValue(name, out int id) ? id : null,
            special.TryGetValue(begin, out int first) ? first : null,
            special.TryGetValue(end, out int last) ? last : null,
            start: null,
            last: []);
        MergeTable merges = MergeTable.FromPieces(normal, RanksByScore(pieces));
        return new SentencePieceTokenizer(vocabulary, normal, merges, byteTokens.All(), spaces, userDefined);
    }

    // A name that is a piece keeps the piece's id; another takes the id that it is given. Bytes stay bytes.
    private static AddedToken?[] AddedById(TokenizerFacts facts, Dictionary<string, int> names, int pieces)
    {
        var byId = new Dictionary<int, AddedToken>();
        foreach (AddedToken token in facts.Added)
        {
            if (token.Name.Length is 0 or > Vocabulary.MaxTokenLength || ByteTokens.Parse(token.Name) is not null) continue;
            if ((names.TryGetValue(token.Name, out int known) ? known : token.Id) is not { } id) continue;
            byId[id] = token;
            names[token.Name] = id;
        }

        var added = new AddedToken?[Math.Max(pieces, byId.Keys.DefaultIfEmpty(-1).Max() + 1)];
        foreach ((int id, AddedToken token) in byId) added[id] = token;
        return added;
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
