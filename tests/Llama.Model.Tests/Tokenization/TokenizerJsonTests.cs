using System.Text;
using System.Text.Json.Nodes;
using Llama.Model.Checkpoints;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class TokenizerJsonTests
{
    private const int First = SentencePieceBytes.FirstId;
    private static readonly string[] Pieces = ["\u2581", "a", "b", "\u2581a", "ab", "aba"];

    [Fact]
    public void Read_PrependAndReplace_PutsSpaceBeforeEachText()
    {
        ITokenizer tokenizer = Read(Small());
        Assert.True(tokenizer.AddsLeadingSpace);
        Assert.Equal([First + 3, First], tokenizer.Encode("a "));
        Assert.Equal([First, First + 3], tokenizer.Encode(" a"));
        Assert.Equal([1, First + 3], tokenizer.Encode("<s>a", parseSpecial: true));
        Assert.Equal([First, 3 + 0xC3, 3 + 0xA9], tokenizer.Encode("é"));
    }

    [Theory]
    [InlineData("first", "\u2581a<s>a")]
    [InlineData("always", "\u2581a<s>\u2581a")]
    [InlineData("never", "a<s>a")]
    public void Read_Metaspace_PutsSpaceWhereItsSchemeSays(string scheme, string spelled)
    {
        ITokenizer tokenizer = Read(WithMetaspace(scheme));
        Assert.Equal(scheme != "never", tokenizer.AddsLeadingSpace);
        int[] expected = [.. spelled.Split("<s>").SelectMany((part, i) => i == 0 ? [PieceId(part)] : new[] { 1, PieceId(part) })];
        Assert.Equal(expected, tokenizer.Encode("a<s>a", parseSpecial: true));
        Assert.Equal([First + 3], tokenizer.Encode(" a"));
    }

    [Fact]
    public void Read_MergesAsPairs_AreThoseAsText()
    {
        JsonObject json = Small();
        json["model"]!["merges"] = JsonNode.Parse("""[["\u2581", "a"], ["a", "b"], ["ab", "a"]]""");
        Assert.Equal(Read(Small()).Encode("xaba abab"), Read(json).Encode("xaba abab"));
        Assert.Contains(First + 5, Read(json).Encode("xaba"));
    }

    [Fact]
    public void Encode_TokenWithoutListedMerge_IsNotMade() =>
        Assert.Equal([First, First + 2, First + 1], Read(Small()).Encode("ba"));

    [Fact]
    public void Encode_TokenOfSeveralMerges_HasTheRankOfTheFirst()
    {
        JsonObject json = SentencePieceJson.Create(["a", "b", "aa", "aaa", "ab"], ["a a", "aa a", "a b", "a aa"]);
        json["normalizer"]!["normalizers"]!.AsArray().RemoveAt(0);
        Assert.Equal([First + 3, First + 1], Read(json).Encode("aaab"));
    }

    [Fact]
    public void Read_AddedToken_IsTakenFromPlainText()
    {
        JsonObject json = Small();
        json["added_tokens"]!.AsArray().Add(SentencePieceJson.Added("<tool>", 265, special: false));
        json["added_tokens"]!.AsArray().Add(SentencePieceJson.Added("<norm>", 266, special: false, normalized: true));
        ITokenizer tokenizer = Read(json);
        Assert.Equal([First + 3, 265, First + 3], tokenizer.Encode("a<tool>a"));
        Assert.Equal([First + 3, 266, First + 1], tokenizer.Encode("a <norm>a"));
        Assert.Equal("a<tool><norm>", tokenizer.Decode([First + 3, 265, 266]));
        Assert.Equal(265, tokenizer.FindSpecial("<tool>"));
    }

    [Fact]
    public void Read_ByteLevel_HonoursIgnoreMerges()
    {
        JsonObject json = ByteLevel(["bc", "abc", "\u0120a"], ["b c"]);
        Assert.Equal(['a', 256], Read(json).Encode("abc"));
        json["model"]!["ignore_merges"] = true;
        Assert.Equal([257], Read(json).Encode("abc"));
        Assert.Equal([258], Read(json).Encode(" a"));
        Assert.Equal(" a", Read(json).Decode([258]));
    }

    [Theory]
    [InlineData("model.type", "\"Unigram\"", "model.type is \"Unigram\"; expected BPE")]
    [InlineData("model.dropout", "0.1", "model.dropout is 0.1; expected null")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix is \"</w>\"; expected null")]
    [InlineData("model.byte_fallback", "false", "model.byte_fallback is false; expected true")]
    [InlineData("model.byte_fallback", "3", "model.byte_fallback is 3; expected true or false")]
    [InlineData("model.vocab", "[]", "model.vocab is []; expected an object")]
    [InlineData("model.vocab", "{}", "model.merges[0] is")]
    [InlineData("model.vocab", "{\"a\": -1}", "model.vocab['a'] is -1; expected a whole number from 0 to 1048575")]
    [InlineData("model.vocab", "{\"a\": 1e9}", "model.vocab['a'] is 1e9")]
    [InlineData("model.vocab", "{\"a\": 5, \"b\": 5}", "'b' and 'a' have the same id 5")]
    [InlineData("model.vocab", "{\"a\": 5, \"a\": 6}", "not well-formed JSON")]
    [InlineData("model.vocab", "{\"\": 5}", "token 5 has 0 characters")]
    [InlineData("model.vocab", "{\"\\ud800\": 5}", "not well-formed")]
    [InlineData("model.merges", "[\"a c\"]", "model.merges[0] is \"a c\"; expected two tokens of model.vocab")]
    [InlineData("model.merges", "[\"ab\"]", "model.merges[0] is \"ab\"; expected two tokens")]
    [InlineData("model.merges", "[[\"a\", 5]]", "model.merges[0][1] is 5; expected a text")]
    [InlineData("model.merges", "7", "model.merges is 7; expected a list")]
    [InlineData("normalizer", "{\"type\": \"NFKC\"}", "normalizer | pre_tokenizer are NFKC |; supported are")]
    [InlineData("normalizer", "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Lowercase\"}]}", "are Lowercase |; supported are")]
    [InlineData("pre_tokenizer", "{\"type\": \"Whitespace\"}", "are Prepend, Replace | Whitespace; supported are")]
    [InlineData("pre_tokenizer", "{\"type\": \"ByteLevel\"}", "are Prepend, Replace | ByteLevel; supported with ByteLevel is")]
    [InlineData("added_tokens", "[{\"id\": 1, \"content\": \"a\"}]", "added_tokens[0].id is 1; expected 260")]
    [InlineData("added_tokens", "[{\"id\": 1}]", "added_tokens[0].content is missing; expected a text")]
    public void Read_UnsupportedOrMalformed_NamesFieldAndValue(string field, string value, string message)
    {
        JsonObject json = Small();
        string[] path = field.Split('.');
        JsonObject parent = path.Length == 2 ? json[path[0]]!.AsObject() : json;
        parent[path[^1]] = "PLACEHOLDER";
        AssertRefused(json.ToJsonString().Replace("\"PLACEHOLDER\"", value, StringComparison.Ordinal), message);
    }

    [Fact]
    public void Read_NoBeginOfText_HasNone()
    {
        byte[] content = Encoding.UTF8.GetBytes(Small().ToJsonString().Replace("\\u003Cs\\u003E", "begin", StringComparison.Ordinal));
        ITokenizer tokenizer = TokenizerJson.Read(content, "x.json", TokenizerFacts.None);
        Assert.Null(tokenizer.BeginOfText);
        Assert.Empty(tokenizer.PromptStart);
    }

    [Fact]
    public void Read_MetaspaceThatSplits_IsRefused()
    {
        JsonObject json = WithMetaspace("first");
        json["pre_tokenizer"]!["split"] = true;
        AssertRefused(json.ToJsonString(), "pre_tokenizer.split is true; expected false");
    }

    [Fact]
    public void Read_OtherPattern_ShowsPattern()
    {
        JsonObject json = ByteLevel([], []);
        json["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = "\\w+";
        AssertRefused(json.ToJsonString(), "pre_tokenizer.pretokenizers[0].pattern.Regex is \"\\\\w\\u002B\"; expected a known pattern");
    }

    [Fact]
    public void Read_CharacterThatIsNoByte_NamesToken() =>
        AssertRefused(ByteLevel(["日"], []).ToJsonString(), "has '日', in which a character stands for no byte");

    [Theory]
    [InlineData("[]", "the file's content is []; expected an object")]
    [InlineData("{}", "model is missing; expected an object")]
    [InlineData("{", "not well-formed JSON")]
    [InlineData("\"\xFF", "not well-formed JSON")]
    public void Read_NoTokenizer_SaysSo(string json, string message) => AssertRefused(json, message);

    [Fact]
    public void Read_DeepNesting_IsRefused() => AssertRefused(new string('[', 1_000_000), "not well-formed JSON");

    private static int PieceId(string piece) => First + Array.IndexOf(Pieces, piece);

    private static JsonObject Small() => SentencePieceJson.Create(Pieces, ["\u2581 a", "a b", "ab a"]);

    private static JsonObject WithMetaspace(string scheme)
    {
        JsonObject json = Small();
        json["normalizer"] = null;
        json["pre_tokenizer"] = new JsonObject
        {
            ["type"] = "Metaspace",
            ["replacement"] = "\u2581",
            ["prepend_scheme"] = scheme,
            ["split"] = false,
        };
        return json;
    }

    /// <summary>A byte-level file: ids below 256 are bytes, then come some tokens, then begin-of-text.</summary>
    private static JsonObject ByteLevel(string[] tokens, string[] merges)
    {
        var vocab = new JsonObject();
        char next = '\u0100';
        for (char value = '\0'; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= '\u00A1' and <= '\u00AC') or >= '\u00AE';
            vocab.Add((printable ? value : next++).ToString(), (int)value);
        }
        foreach (string token in tokens)
            vocab.Add(token, vocab.Count);
        var split = new JsonObject
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["Regex"] = Llama3Splitter.Pattern },
            ["behavior"] = "Isolated",
            ["invert"] = false,
        };
        var byteLevel = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false };
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(SentencePieceJson.Added("<|begin_of_text|>", vocab.Count)),
            ["pre_tokenizer"] = new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(split, byteLevel) },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. merges.Select(merge => JsonValue.Create(merge))]),
            },
        };
    }

    private static ITokenizer Read(JsonNode json) => TokenizerJson.Read(SentencePieceJson.Write(json), "x.json", TokenizerFacts.None);

    private static void AssertRefused(string json, string message)
    {
        var exception = Assert.Throws<CheckpointException>(() => TokenizerJson.Read(Encoding.UTF8.GetBytes(json), "x.json", TokenizerFacts.None));
        Assert.StartsWith("x.json", exception.Message, StringComparison.Ordinal);
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }
}
