using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

public sealed class InfillPromptTests : IDisposable
{
    private const int First = SentencePieceBytes.FirstId;
    private static readonly string[] CodeLlama = ["\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>", "\u2581<EOT>"];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(SentencePieceBytes.Normal)]
    [InlineData(SentencePieceBytes.Control)]
    [InlineData(SentencePieceBytes.UserDefined)]
    public void Encode_CodeLlama_IsInMetasOrderAndOnlyThePrefixHasALeadingSpace(int type)
    {
        var model = new SentencePieceBytes();
        foreach (string name in CodeLlama) model.Piece(name, -100, type);
        ITokenizer tokenizer = SentencePieceModel.Read(model.Pieces("a", "b", "\u2581").Trainer().Normalizer().ToArray(), "m").CreateTokenizer(TokenizerFacts.None);
        Assert.Equal(new InfillTokens(First, First + 1, First + 2, null, null), tokenizer.Infill);
        Assert.Contains(First + 3, tokenizer.EndTokens);
        (int a, int b, int space) = (First + 4, First + 5, First + 6);

        Assert.Equal([1, First, space, a, First + 1, b, space, First + 2], new InfillPrompt("a", "b ", []).Encode(tokenizer));
        Assert.Equal([1, First, First + 1, First + 2], new InfillPrompt("", "", []).Encode(tokenizer));
        Assert.DoesNotContain(First + 1, new InfillPrompt(" <SUF>\u2581<SUF>", "", []).Encode(tokenizer).Skip(2).SkipLast(2));
    }

    [Fact]
    public void Encode_FilesWithoutTokensOfTheirOwn_ComeBeforeAsSnippets()
    {
        ITokenizer tokenizer = ByteLevel("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>");
        Assert.Equal((256, 257, 258), (tokenizer.Infill!.Prefix, tokenizer.Infill.Suffix, tokenizer.Infill.Middle));
        IReadOnlyList<int> ids = new InfillPrompt("a", "b", [new InfillFile("x", "1"), new InfillFile("y", "2")]).Encode(tokenizer);
        Assert.Equal("\n\n--- snippet ---\n\n1\n\n--- snippet ---\n\n2ab", tokenizer.Decode(ids));
        Assert.Equal([256, 'a', 257, 'b', 258], ids.TakeLast(5));
        Assert.Empty(tokenizer.Infill.EndTokens);
    }

    [Fact]
    public void Encode_FilesWithTokensOfTheirOwn_ComeBeforeByName()
    {
        ITokenizer tokenizer = ByteLevel("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>", "<|file_sep|>");
        IReadOnlyList<int> ids = new InfillPrompt("a", "b", [new InfillFile("x.c", "1")]).Encode(tokenizer);
        Assert.Equal("myproject\nx.c\n1filename\nab", tokenizer.Decode(ids));
        Assert.Equal(259, ids[0]);
        Assert.Equal(2, ids.Count(id => id == 260));
        Assert.Equal([259, 260], tokenizer.Infill!.EndTokens);
    }

    [Theory]
    [InlineData("fim_pre", "fim_suf", "fim_mid")]
    [InlineData("prefix", "suffix", "middle")]
    public void Read_GgufKeys_GoBeforeNames(string prefix, string suffix, string middle)
    {
        ITokenizer tokenizer = Load(
            ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "xx"], ($"tokenizer.ggml.{prefix}_token_id", 258), ($"tokenizer.ggml.{suffix}_token_id", 257),
            ($"tokenizer.ggml.{middle}_token_id", 256), ("tokenizer.ggml.fim_sep_token_id", 259));
        Assert.Equal(new InfillTokens(258, 257, 256, null, 259), tokenizer.Infill);
    }

    [Theory]
    [InlineData("tinystories")]
    [InlineData("small-tiktoken")]
    public void Infill_VocabularyWithoutSuchTokens_IsNull(string name) => Assert.Null(TestTokenizers.Get(name).Infill);

    private ITokenizer ByteLevel(params string[] names) => Load(names);

    private ITokenizer Load(string[] names, params (string Key, object? Value)[] more)
    {
        string[] bytes = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.OfBytes(((char)value).ToString()))];
        return TokenizerLoader.Load(TinyGguf.Write(
            folder["tiny.gguf"], ElementType.F32,
            [
                ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "llama-bpe"), ("tokenizer.ggml.tokens", (string[])[.. bytes, .. names]),
                ("tokenizer.ggml.merges", Array.Empty<string>()), .. more,
            ]))!;
    }
}
