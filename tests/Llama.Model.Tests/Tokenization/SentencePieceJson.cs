using System.Text;
using System.Text.Json.Nodes;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

/// <summary>Writes SentencePiece-like tokenizer.json files for tests.</summary>
internal static class SentencePieceJson
{
    /// <summary>A vocabulary whose tokens after the special and byte tokens are in the order of their merges, as Llama 2's are.</summary>
    public static byte[] Convert(ITokenizer tokenizer)
    {
        var pieces = new List<string>();
        for (int id = SentencePieceBytes.FirstId; id < tokenizer.VocabSize; id++)
            pieces.Add(Encoding.UTF8.GetString(tokenizer.TokenBytes(id)).Replace(' ', '\u2581'));

        // As Hugging Face converts tokenizer.model: every way to split a token is a merge, in the order of scores. Llama 2's two
        // spaces have the lowest score of all.
        var known = pieces.ToHashSet();
        IEnumerable<string> merges = pieces.Skip(1).Append(pieces[0]).SelectMany(piece => Enumerable.Range(1, piece.Length - 1)
            .Select(cut => (Left: piece[..cut], Right: piece[cut..]))
            .Where(pair => known.Contains(pair.Left) && known.Contains(pair.Right))
            .Select(pair => $"{pair.Left} {pair.Right}"));
        return Write(Create(pieces, merges));
    }

    /// <summary>A file with &lt;unk&gt;, &lt;s&gt;, &lt;/s&gt;, the 256 bytes and some pieces, with Llama 2's normaliser.</summary>
    public static JsonObject Create(IEnumerable<string> pieces, IEnumerable<string> merges)
    {
        string[] special = ["<unk>", "<s>", "</s>"];
        var vocab = new JsonObject();
        foreach (string piece in special.Concat(Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>")).Concat(pieces))
            vocab.Add(piece, vocab.Count);
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray([.. special.Select((name, id) => Added(name, id))]),
            ["normalizer"] = JsonNode.Parse(
                """
                { "type": "Sequence", "normalizers": [
                  { "type": "Prepend", "prepend": "\u2581" },
                  { "type": "Replace", "pattern": { "String": " " }, "content": "\u2581" } ] }
                """),
            ["pre_tokenizer"] = null,
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["byte_fallback"] = true,
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. merges.Select(merge => JsonValue.Create(merge))]),
            },
        };
    }

    public static JsonObject Added(string name, int id, bool special = true, bool normalized = false) =>
        new() { ["id"] = id, ["content"] = name, ["special"] = special, ["normalized"] = normalized, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false };

    public static byte[] Write(JsonNode json) => Encoding.UTF8.GetBytes(json.ToJsonString());
}
