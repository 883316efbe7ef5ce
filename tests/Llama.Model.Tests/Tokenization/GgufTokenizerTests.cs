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
    [InlineData("tokenizer.ggml.pre", "qwen2", "tokenizer.ggml.pre: found 'qwen2', expected llama-bpe")]
    public void Load_OtherKind_IsRefused(string key, string value, string expected)
    {
        string file = TinyGguf.Write(folder["tiny.gguf"], ElementType.F32, ("tokenizer.ggml.model", "gpt2"), (key, value));
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => TokenizerLoader.Load(file)).Message);
    }

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
