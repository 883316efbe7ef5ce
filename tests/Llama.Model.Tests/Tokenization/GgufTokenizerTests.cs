using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tests.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

public sealed class GgufTokenizerTests : IDisposable
{
    private static readonly string[] TwoTokens = ["a", "b"];
    private static readonly float[] OneScore = [1];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("llama2", "ggml-vocab-llama-spm.gguf", 32_000, 1)]
    [InlineData("llama3", "ggml-vocab-llama-bpe.gguf", 128_256, 128_000)]
    public void Load_RealVocabulary_GivesReferenceIds(string name, string file, int size, int beginOfText)
    {
        string path = Path.Combine(TestTokenizers.Real(name), "..", file);
        Assert.SkipUnless(File.Exists(path), $"needs {path}");
        ITokenizer tokenizer = TokenizerLoader.Load(path)!;
        Assert.Equal((size, beginOfText), (tokenizer.VocabSize, tokenizer.BeginOfText));
        IReadOnlyList<(string Text, int[] Ids)> vectors = TestTokenizers.Vectors(name);
        Assert.True(vectors.Count > 20);
        foreach ((string text, int[] ids) in vectors)
        {
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(text, tokenizer.Decode(ids));
        }

        using Checkpoint checkpoint = CheckpointReading.Open(path);
        Assert.Equal(size, checkpoint.Config.VocabSize);
        Assert.Equal(name == "llama2" ? [2] : [128_001], checkpoint.Config.EndTokens);
        Assert.Equal(name == "llama2" ? [2] : [128_001, 128_009], tokenizer.EndTokens);
        Assert.Equal(name == "llama2" ? LlamaFamily.Llama2 : LlamaFamily.Llama3, checkpoint.Config.Family);
    }

    [Theory]
    [InlineData("llama2/tokenizer.model")]
    [InlineData("llama3/tokenizer.model")]
    [InlineData("llama3/tokenizer.json")]
    public void Load_RealVocabularyWritten_GivesReferenceIds(string name)
    {
        ITokenizer tokenizer = WriteAndLoad(TestTokenizers.Get(name));
        foreach ((string text, int[] ids) in TestTokenizers.Vectors(name[..6])) Assert.Equal(ids, tokenizer.Encode(text));
        if (name.StartsWith("llama3", StringComparison.Ordinal)) Assert.Equal(128_009, tokenizer.FindSpecial("<|eot_id|>"));
    }

    [Theory]
    [InlineData("tinystories")]
    [InlineData("small-tiktoken")]
    public void Load_Written_EncodesAndDecodesAlike(string name)
    {
        ITokenizer source = TestTokenizers.Get(name);
        ITokenizer found = WriteAndLoad(source);
        Assert.Equal((source.VocabSize, source.BeginOfText, source.AddsLeadingSpace), (found.VocabSize, found.BeginOfText, found.AddsLeadingSpace));
        var random = new Random(9);
        for (int i = 0; i < 300; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(8) switch
            {
                0 => " ",
                1 => new Rune(random.Next(0x20, 0xd000)).ToString(),
                _ => ((char)random.Next('a', 'z' + 1)).ToString(),
            }));
            Assert.Equal(source.Encode(text), found.Encode(text));
            Assert.Equal(source.Decode(source.Encode(text)), found.Decode(found.Encode(text)));
        }

        for (int id = 0; id < source.VocabSize; id++) Assert.Equal(source.TokenBytes(id), found.TokenBytes(id));
    }

    [Fact]
    public void Load_NoVocabulary_IsNull() => Assert.Null(TokenizerLoader.Load(TinyGguf.Write(folder["tiny.gguf"])));

    [Theory]
    [InlineData("tokenizer.ggml.model", "bert", "tokenizer.ggml.model: found 'bert', expected llama, gpt2 or no_vocab")]
    [InlineData("tokenizer.ggml.pre", "gpt-4o", "tokenizer.ggml.pre: found 'gpt-4o', expected one of llama-bpe, ")]
    public void Load_OtherKind_IsRefused(string key, string value, string expected)
    {
        string file = TinyGguf.Write(folder["tiny.gguf"], ElementType.F32, ("tokenizer.ggml.model", "gpt2"), (key, value));
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => TokenizerLoader.Load(file)).Message);
    }

    [Theory]
    [InlineData(null, "is not there")]
    [InlineData("default", "is 'default'")]
    public void Load_NoPreTokenizer_TakesLlamaCppsDefaultAndWarns(string? pre, string said)
    {
        var warnings = new List<string>();
        var tokenizer = (ByteLevelTokenizer)TokenizerLoader.Load(WriteByteLevel(("tokenizer.ggml.pre", pre)), warnings)!;
        Assert.Equal("default", tokenizer.PreTokenizer.Name);
        Assert.Contains(said, Assert.Single(warnings));
        Assert.Equal("12345", tokenizer.Decode(tokenizer.Encode("12345")));
    }

    [Theory]
    [InlineData("llama-bpe", null, 257)]
    [InlineData("smaug-bpe", null, null)]
    [InlineData("smaug-bpe", true, 257)]
    [InlineData("llama-bpe", false, null)]
    public void Load_ByteLevel_BeginsPromptsAsTheFileSaysElseAsItsPreTokenizer(string pre, bool? add, int? expected)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(WriteByteLevel(("tokenizer.ggml.pre", pre), ("tokenizer.ggml.add_bos_token", add)))!;
        Assert.Equal(expected is { } begin ? [begin] : [], tokenizer.PromptStart);
    }

    // "ab" is a token that no merge leads to.
    [Theory]
    [InlineData("llama-bpe", "256")]
    [InlineData("smaug-bpe", "97 98")]
    public void Encode_WholePiece_IsATokenWhereThePreTokenizerSaysSo(string pre, string expected) =>
        Assert.Equal(expected, string.Join(' ', TokenizerLoader.Load(WriteByteLevel(("tokenizer.ggml.pre", pre)))!.Encode("ab")));

    [Fact]
    public void Load_EmptyTokens_AreUnusedAndWarnedOfOnce()
    {
        var warnings = new List<string>();
        string[] tokens = ByteLevelTokens();
        (tokens[258], tokens[259]) = ("", "");
        ITokenizer tokenizer = TokenizerLoader.Load(WriteByteLevel(("tokenizer.ggml.pre", "llama-bpe"), ("tokenizer.ggml.tokens", tokens)), warnings)!;
        Assert.Contains("2 tokens are empty, the first of them 258", Assert.Single(warnings));
        Assert.True(tokenizer.TokenBytes(258).IsEmpty);
        Assert.DoesNotContain(258, tokenizer.Encode("[EMPTY_258]", parseSpecial: true));
    }

    [Fact]
    public void Load_TokenTwice_IsRefusedByName()
    {
        string[] tokens = ByteLevelTokens();
        tokens[259] = "x";
        string file = WriteByteLevel(("tokenizer.ggml.pre", "llama-bpe"), ("tokenizer.ggml.tokens", tokens));
        Assert.Contains("tokenizer.ggml.tokens[259] is 'x' again", Assert.Throws<CheckpointException>(() => TokenizerLoader.Load(file)).Message);
    }

    [Fact]
    public void Load_SpecialTokenOutsideTheVocabulary_IsNone()
    {
        ITokenizer tokenizer = TokenizerLoader.Load(WriteByteLevel(("tokenizer.ggml.pre", "llama-bpe"), ("tokenizer.ggml.bos_token_id", -1)))!;
        Assert.Null(tokenizer.BeginOfText);
    }

    private static string[] ByteLevelTokens() =>
        [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.OfBytes(((char)value).ToString())), "ab", "<|begin_of_text|>", "ignored", "also"];

    private string WriteByteLevel(params (string Key, object? Value)[] changes) => TinyGguf.Write(
        folder["bytes.gguf"], ElementType.F32,
        [
            ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.tokens", ByteLevelTokens()), ("tokenizer.ggml.merges", Array.Empty<string>()),
            ("tokenizer.ggml.bos_token_id", 257), .. changes,
        ]);

    [Fact]
    public void Load_ListsOfOtherLengths_AreRefused()
    {
        string file = TinyGguf.Write(
            folder["tiny.gguf"], ElementType.F32,
            ("tokenizer.ggml.model", "llama"), ("tokenizer.ggml.tokens", TwoTokens), ("tokenizer.ggml.scores", OneScore));
        Assert.Contains("tokenizer.ggml.scores: found an array of 1 Float32, expected 2 scores", Assert.Throws<CheckpointException>(() => TokenizerLoader.Load(file)).Message);
    }

    private ITokenizer WriteAndLoad(ITokenizer tokenizer)
    {
        ModelConfig config = TinyGguf.Config with { VocabSize = tokenizer.VocabSize };
        string file = folder["vocabulary.gguf"];
        using (var writer = new GgufWriter(file, [.. GgufTokenizerWriter.Metadata(tokenizer, config)], [])) writer.Complete();
        return TokenizerLoader.Load(file)!;
    }
}
