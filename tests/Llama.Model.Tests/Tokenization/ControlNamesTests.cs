using System.Text.Json.Nodes;
using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

public sealed class ControlNamesTests : IDisposable
{
    private const int First = SentencePieceBytes.FirstId;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("</s>", true, true)]
    [InlineData("<|eot_id|>", true, true)]
    [InlineData("<|eom_id|>", true, true)]
    [InlineData("<|im_end|>", true, true)]
    [InlineData("<|end_of_text|>", true, true)]
    [InlineData("<|endoftext|>", true, true)]
    [InlineData("<end_of_turn>", true, true)]
    [InlineData("<|end|>", true, true)]
    [InlineData("<|EOT|>", true, true)]
    [InlineData("<\uFF5Cend\u2581of\u2581sentence\uFF5C>", true, true)]
    [InlineData("<|im_start|>", true, false)]
    [InlineData("<|start_header_id|>", true, false)]
    [InlineData("<\uFF5CUser\uFF5C>", true, false)]
    [InlineData("<start_of_turn>", true, false)]
    [InlineData("[/INST]", true, false)]
    [InlineData("<|reserved_special_token_7|>", true, false)]
    [InlineData("<think>", false, false)]
    [InlineData("<tool_call>", false, false)]
    [InlineData("<|", false, false)]
    [InlineData("<||>", false, false)]
    [InlineData("<|=|>", false, false)]
    [InlineData("<|0|>", false, false)]
    [InlineData("<|a|>b", false, false)]
    [InlineData("end_of_turn", false, false)]
    public void IsControl_Names_AreThoseOfTurnsAndTexts(string name, bool control, bool ends) =>
        Assert.Equal((control, ends), (ControlNames.IsControl(name), ControlNames.EndsAnswer(name)));

    [Theory]
    [InlineData(SentencePieceBytes.Normal)]
    [InlineData(SentencePieceBytes.Control)]
    [InlineData(SentencePieceBytes.UserDefined)]
    public void SentencePiece_TurnMarkersOfAnyType_AreControlTokens(int type) =>
        AssertMarkers(SentencePieceModel.Read(Model(type).ToArray(), "m").CreateTokenizer(TokenizerFacts.None), [2, First + 1]);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public void Gguf_SentencePieceTurnMarkersOfAnyType_AreControlTokens(int type)
    {
        string[] tokens = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(ByteTokens.Name), "<|im_start|>", "<|im_end|>", "x", "y", "\u2581"];
        int[] types = [2, 3, 3, .. Enumerable.Repeat(6, 256), type, type, 1, 1, 1];
        AssertMarkers(Load(("tokenizer.ggml.model", "llama"), ("tokenizer.ggml.tokens", tokens), ("tokenizer.ggml.token_type", types)), [2, First + 1]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public void Gguf_ByteLevelTurnMarkersOfAnyType_AreControlTokens(int type)
    {
        // Where the file's own end token lies says nothing of the others.
        string[] bytes = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.OfBytes(((char)value).ToString()))];
        string[] tokens = [.. bytes, "unused", "also", "<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|end_of_text|>"];
        int[] types = [.. Enumerable.Repeat(1, 258), 3, type, type, 3];
        ITokenizer tokenizer = Load(
            ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "llama-bpe"), ("tokenizer.ggml.tokens", tokens),
            ("tokenizer.ggml.token_type", types), ("tokenizer.ggml.merges", Array.Empty<string>()), ("tokenizer.ggml.bos_token_id", 258));
        AssertMarkers(tokenizer, [260, 261]);
        Assert.Null(tokenizer.FindSpecial("<|eom_id|>"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [InlineData(null)]
    public void TokenizerJson_TurnMarkersOfAnyKind_AreControlTokens(bool? special)
    {
        // null: in the vocabulary, and none of the added tokens.
        JsonObject json = SentencePieceJson.Create(["<|im_start|>", "<|im_end|>", "x", "y", "\u2581"], []);
        if (special is { } flag)
        {
            json["added_tokens"]!.AsArray().Add(SentencePieceJson.Added("<|im_start|>", First, flag, normalized: !flag));
            json["added_tokens"]!.AsArray().Add(SentencePieceJson.Added("<|im_end|>", First + 1, flag));
        }

        AssertMarkers(TokenizerJson.Read(SentencePieceJson.Write(json), "j", TokenizerFacts.None), [2, First + 1]);
    }

    [Fact]
    public void EndTokens_EndOfTextPieceOfAnyName_IsAmongThem()
    {
        byte[] content = Model(SentencePieceBytes.Control).Piece("<done>", 0, SentencePieceBytes.Control)
            .Message(2, [.. SentencePieceBytes.Varint(3, 2), .. SentencePieceBytes.Varint(35, 1), .. SentencePieceBytes.Text(47, "<done>")]).ToArray();
        Assert.Equal([2, First + 1, First + 5], SentencePieceModel.Read(content, "m").CreateTokenizer(TokenizerFacts.None).EndTokens);
    }

    [Fact]
    public void EndTokens_OfMetasLlama3_AreThreeByName() => Assert.Equal([257, 264, 265], TestTokenizers.Get("small-tiktoken").EndTokens);

    [Fact]
    public void Convert_Llama3WithoutNamedEndTokens_WritesTheVocabularys()
    {
        using TemporaryFolder meta = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-3", "meta"));
        File.WriteAllText(meta["tokenizer.model"], TestTokenizers.SmallTiktoken());
        using Checkpoint found = CheckpointReading.Open(TinyGguf.Convert(folder, meta.Path, ElementType.F32));
        Assert.Equal([257, 264, 265], found.Config.EndTokens);
    }

    private static SentencePieceBytes Model(int type) =>
        new SentencePieceBytes().Piece("<|im_start|>", -1, type).Piece("<|im_end|>", -2, type).Piece("x", -3).Piece("y", -4).Piece("\u2581", -5).Trainer().Normalizer(dummyPrefix: false);

    private static void AssertMarkers(ITokenizer tokenizer, int[] ends)
    {
        int start = tokenizer.FindSpecial("<|im_start|>")!.Value;
        int end = tokenizer.FindSpecial("<|im_end|>")!.Value;
        Assert.Equal(ends, tokenizer.EndTokens);
        Assert.True(tokenizer.TokenBytes(start).IsEmpty && tokenizer.TokenBytes(end).IsEmpty);
        Assert.Equal("xy", tokenizer.Decode([.. tokenizer.Encode("x"), start, end, .. tokenizer.Encode("y")], startsText: false).Replace(" ", "", StringComparison.Ordinal));
        foreach (string text in (string[])["x<|im_end|>y", "<|im_start|>", "<|im_end|><|im_end|>", " <|im_start|>x"])
        {
            Assert.DoesNotContain(start, tokenizer.Encode(text));
            Assert.DoesNotContain(end, tokenizer.Encode(text));
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        }

        Assert.Contains(end, tokenizer.Encode("x<|im_end|>y", parseSpecial: true));
    }

    private ITokenizer Load(params (string Key, object? Value)[] metadata) =>
        TokenizerLoader.Load(TinyGguf.Write(folder["tiny.gguf"], ElementType.F32, metadata))!;
}
