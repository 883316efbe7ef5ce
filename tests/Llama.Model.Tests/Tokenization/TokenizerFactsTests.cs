using System.Text.Json.Nodes;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

public sealed class TokenizerFactsTests : IDisposable
{
    // <|im_start|> and <|im_end|> behind the pieces of the model.
    private const int Start = SentencePieceBytes.FirstId + 4;
    private const string ImTokens = $$"""{"<|im_start|>": 263, "<|im_end|>": 264, "<tool>": 265}""";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Load_AddedTokensBesideAModel_ExtendTheVocabulary()
    {
        WriteModel();
        File.WriteAllText(folder["added_tokens.json"], ImTokens);
        ITokenizer tokenizer = Load();
        Assert.Equal(266, tokenizer.VocabSize);
        Assert.Equal([Start, SentencePieceBytes.FirstId], tokenizer.Encode("<|im_start|>x", parseSpecial: true));
        Assert.Equal("x", tokenizer.Decode([Start, SentencePieceBytes.FirstId, Start + 1]));
        Assert.Equal([2, Start + 1], tokenizer.EndTokens);

        // Nobody calls <tool> special: it is text, wherever it stands.
        Assert.Contains(Start + 2, tokenizer.Encode("x<tool>x"));
        Assert.Equal("<tool>", tokenizer.Decode([Start + 2]));
    }

    [Theory]
    [InlineData("""{"added_tokens_decoder": {"265": {"content": "<tool>", "special": true}}}""", null, true)]
    [InlineData("""{"added_tokens_decoder": {"265": {"content": "<tool>", "special": false}}}""", """{"additional_special_tokens": ["<tool>"]}""", false)]
    [InlineData("""{"additional_special_tokens": ["<tool>"]}""", null, true)]
    [InlineData("{}", """{"additional_special_tokens": [{"content": "<tool>"}]}""", true)]
    [InlineData("{}", """{"pad_token": "<tool>"}""", true)]
    [InlineData("{}", "{}", false)]
    public void Load_SpecialTokens_AreThoseOfTheListElseOfTheMap(string config, string? map, bool special)
    {
        WriteModel();
        File.WriteAllText(folder["added_tokens.json"], ImTokens);
        File.WriteAllText(folder["tokenizer_config.json"], config);
        if (map is not null) File.WriteAllText(folder["special_tokens_map.json"], map);
        Assert.Equal(special, Load().TokenBytes(265).IsEmpty);
    }

    [Theory]
    [InlineData("""{"eos_token": "x"}""", """{"eos_token": "y"}""", 260)]
    [InlineData("""{"eos_token": "x", "added_tokens_decoder": {}}""", """{"eos_token": "y"}""", 259)]
    [InlineData("""{"eos_token": {"content": "x"}}""", null, 259)]
    [InlineData("""{"eos_token": null}""", """{"eos_token": {"content": "y"}}""", 260)]
    [InlineData("""{"eos_token": "nowhere"}""", null, 2)]
    public void Load_EndOfText_FollowsThePrecedence(string config, string? map, int expected)
    {
        WriteModel();
        File.WriteAllText(folder["tokenizer_config.json"], config);
        if (map is not null) File.WriteAllText(folder["special_tokens_map.json"], map);
        Assert.Contains(expected, Load().EndTokens);
    }

    [Theory]
    [InlineData("{}", "1", "")]
    [InlineData("""{"add_bos_token": false}""", "", "")]
    [InlineData("""{"add_eos_token": true}""", "1", "2")]
    [InlineData("""{"add_bos_token": true, "bos_token": "x"}""", "259", "")]
    public void Load_Model_PutsAroundAPromptWhatTheConfigurationSays(string config, string start, string end)
    {
        WriteModel();
        File.WriteAllText(folder["tokenizer_config.json"], config);
        AssertPrompt(start, end);
    }

    [Theory]
    [InlineData("{}", null, "1", "")]
    [InlineData("""{"tokenizer_class": "PreTrainedTokenizerFast"}""", null, "", "")]
    [InlineData("""{"tokenizer_class": "LlamaTokenizerFast"}""", null, "1", "")]
    [InlineData("{}", "start", "2", "")]
    [InlineData("{}", "both", "2", "1")]
    [InlineData("{}", "none", "", "")]
    [InlineData("""{"add_bos_token": true}""", "none", "1", "")]
    [InlineData("""{"add_bos_token": false}""", "both", "", "1")]
    public void Load_Json_PutsAroundAPromptWhatTheConfigurationElseTheTemplateSays(string config, string? template, string start, string end)
    {
        JsonObject json = SentencePieceJson.Create(["a", "b", "ab", "\u2581"], ["a b"]);
        if (template is not null) json["post_processor"] = Template(template);
        File.WriteAllBytes(folder["tokenizer.json"], SentencePieceJson.Write(json));
        File.WriteAllText(folder["tokenizer_config.json"], config);
        AssertPrompt(start, end);
    }

    [Fact]
    public void Load_Json_TakesFlagsAndFurtherTokensFromTheConfiguration()
    {
        JsonObject json = SentencePieceJson.Create(["a", "b", "ab", "\u2581"], ["a b"]);
        json["added_tokens"]!.AsArray().Add(SentencePieceJson.Added("<x>", 263));
        File.WriteAllBytes(folder["tokenizer.json"], SentencePieceJson.Write(json));
        File.WriteAllText(
            folder["tokenizer_config.json"],
            """{"added_tokens_decoder": {"263": {"content": "<x>", "special": false, "rstrip": true}, "264": {"content": "<y>", "special": true}}}""");
        ITokenizer tokenizer = Load();
        Assert.Equal([263, 262, 259], tokenizer.Encode("<x>  a"));
        Assert.Equal("<x>", tokenizer.Decode([263]));
        Assert.Equal(264, tokenizer.FindSpecial("<y>"));
        Assert.True(tokenizer.TokenBytes(264).IsEmpty);
    }

    private static JsonNode Template(string kind)
    {
        const string begin = """{"SpecialToken": {"id": "</s>", "type_id": 0}}""", end = """{"SpecialToken": {"id": "<s>", "type_id": 0}}""";
        const string text = """{"Sequence": {"id": "A", "type_id": 0}}""";
        string single = kind switch { "start" => $"{begin},{text}", "both" => $"{begin},{text},{end}", _ => text };
        return JsonNode.Parse($$"""
            {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": [{{single}}], "pair": [],
             "special_tokens": {"<s>": {"id": "<s>", "ids": [1]}, "</s>": {"id": "</s>", "ids": [2]} } }]}
            """)!;
    }

    private void AssertPrompt(string start, string end)
    {
        ITokenizer tokenizer = Load();
        Assert.Equal((start, end), (string.Join(' ', tokenizer.PromptStart), string.Join(' ', tokenizer.PromptEnd)));
    }

    private void WriteModel() => File.WriteAllBytes(
        folder["tokenizer.model"], new SentencePieceBytes().Pieces("x", "y", "\u2581", "\u2581x").Trainer().Normalizer(dummyPrefix: false).ToArray());

    private ITokenizer Load() => TokenizerLoader.Load(folder.Path)!;
}
