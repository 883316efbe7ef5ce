using System.Text.Json;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

public class SentencePieceTokenizerTests
{
    private const int First = SentencePieceBytes.FirstId;

    public static TheoryData<string> Llama2Files => ["llama2/tokenizer.model", "llama2/tokenizer.json", "llama2/converted"];

    [Theory]
    [MemberData(nameof(Llama2Files))]
    public void Encode_RealVocabulary_GivesReferenceIds(string name)
    {
        ITokenizer tokenizer = TestTokenizers.GetLlama2(name);
        Assert.Equal(32000, tokenizer.VocabSize);
        Assert.Equal(1, tokenizer.BeginOfText);
        IReadOnlyList<(string Text, int[] Ids)> vectors = TestTokenizers.Vectors("llama2");
        Assert.Equal(23, vectors.Count);
        foreach ((string text, int[] ids) in vectors)
        {
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(text, tokenizer.Decode(ids));
        }
    }

    [Fact]
    public void EncodeAndDecode_TinyStories_GivesGoldenResults()
    {
        ITokenizer tokenizer = TestTokenizers.Get("tinystories");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestPaths.TinyStories, "golden.json")));
        Assert.NotEmpty(golden.RootElement.EnumerateArray());
        foreach (JsonElement item in golden.RootElement.EnumerateArray())
        {
            int[] prompt = [.. tokenizer.PromptStart, .. tokenizer.Encode(item.GetProperty("prompt").GetString()!)];
            Assert.Equal(TestTokenizers.Ints(item.GetProperty("tokens")), prompt);

            // The golden text was decoded by itself, so it lacks the space that joins it to the prompt.
            int[] greedy = TestTokenizers.Ints(item.GetProperty("greedy"));
            Assert.Equal(item.GetProperty("text").GetString(), tokenizer.Decode(greedy));
            string continuation = tokenizer.Decode(greedy, startsText: false);
            Assert.Equal(item.GetProperty("prompt").GetString() + continuation, tokenizer.Decode([.. prompt, .. greedy]));
        }
    }

    [Fact]
    public void Encode_EqualScores_MergesLeftmostFirst()
    {
        SentencePieceBytes model = new SentencePieceBytes().Piece("a", -9).Piece("aa", -1).Piece("aaa", -2);
        Assert.Equal([First + 1, First + 2], Tokenizer(model).Encode("aaaaa"));
    }

    [Fact]
    public void Encode_HigherScore_MergesBeforePlace()
    {
        SentencePieceBytes model = new SentencePieceBytes().Pieces("bc", "ab", "a", "b", "c");
        Assert.Equal([First + 2, First], Tokenizer(model).Encode("abc"));
    }

    [Fact]
    public void Encode_PieceOfCharactersThatAreNone_Merges()
    {
        SentencePieceBytes model = new SentencePieceBytes().Pieces("🦙x");
        Assert.Equal([First, 3 + 'x'], Tokenizer(model).Encode("🦙xx"));
    }

    [Fact]
    public void Encode_UnknownCharacter_BecomesItsBytes() =>
        Assert.Equal([First, 3 + 0xC3, 3 + 0xA9], Tokenizer(new SentencePieceBytes().Pieces("a")).Encode("aé"));

    [Fact]
    public void Encode_LoneSurrogate_CountsAsReplacementCharacter()
    {
        ITokenizer tokenizer = Tokenizer(new SentencePieceBytes().Pieces("\uFFFD"));
        Assert.Equal([3 + 'a', First, 3 + 'b'], tokenizer.Encode("a\uD800b"));
        Assert.Equal([First, First, First], tokenizer.Encode("\uDC00\uD800\uFFFD"));
    }

    [Fact]
    public void Encode_UserDefinedPiece_IsTakenBeforeMerges()
    {
        SentencePieceBytes model = new SentencePieceBytes().Pieces("ab", "a", "b", "c", "bca");
        ITokenizer tokenizer = Tokenizer(model.Piece("bc", 0, SentencePieceBytes.UserDefined));
        Assert.Equal([First + 1, First + 5, First + 1], tokenizer.Encode("abca"));
        Assert.Equal("abca", tokenizer.Decode(tokenizer.Encode("abca")));
        Assert.Equal(First + 5, tokenizer.FindSpecial("bc"));
    }

    [Fact]
    public void Encode_ByteName_IsPlainText() =>
        Assert.Equal("<0x41>".Select(c => 3 + c), Tokenizer(new SentencePieceBytes()).Encode("<0x41>"));

    [Fact]
    public void Encode_SpecialName_IsTokenOnlyWhenParsed()
    {
        ITokenizer tokenizer = Tokenizer(new SentencePieceBytes().Pieces("<s>x"));
        Assert.Equal([3 + '<', 3 + 's', 3 + '>', 3 + 'a'], tokenizer.Encode("<s>a"));
        Assert.Equal([1, 3 + 'a', 2], tokenizer.Encode("<s>a</s>", parseSpecial: true));
        Assert.Equal(1, tokenizer.FindSpecial("<s>"));
        Assert.Null(tokenizer.FindSpecial("<x>"));
        Assert.True(tokenizer.TokenBytes(1).IsEmpty);
        Assert.True(tokenizer.TokenBytes(-1).IsEmpty);
        Assert.True(tokenizer.TokenBytes(int.MaxValue).IsEmpty);
    }

    [Fact]
    public void Encode_DummyPrefix_IsPutBeforeTextAndDroppedAgain()
    {
        ITokenizer tokenizer = Load(new SentencePieceBytes().Pieces("\u2581a", "\u2581", "a").Trainer().Normalizer(dummyPrefix: true));
        Assert.True(tokenizer.AddsLeadingSpace);
        Assert.Equal([First], tokenizer.Encode("a"));
        Assert.Equal([First + 1, First], tokenizer.Encode(" a"));
        Assert.Equal([], tokenizer.Encode(""));
        Assert.Equal(" a", tokenizer.Decode([First + 1, First]));
        Assert.Equal(" a", tokenizer.Decode([First], startsText: false));
        Assert.Equal([1, First], tokenizer.Encode("<s>a", parseSpecial: true));
    }

    [Theory]
    [InlineData("  a   b ", "a b")]
    [InlineData("   ", "")]
    [InlineData("a\n  b", "a\n b")]
    public void Encode_ExtraSpacesRemoved_KeepsSingleOnesInside(string text, string kept)
    {
        ITokenizer tokenizer = Load(new SentencePieceBytes().Pieces("\u2581", "\u2581\u2581").Trainer().Normalizer(collapse: true));
        Assert.Equal(kept, tokenizer.Decode(tokenizer.Encode(text)));
        Assert.DoesNotContain(First + 1, tokenizer.Encode(text));
    }

    private static ITokenizer Tokenizer(SentencePieceBytes model) => Load(model.Trainer().Normalizer(dummyPrefix: false));

    private static ITokenizer Load(SentencePieceBytes model) => SentencePieceModel.Read(model.ToArray(), "test").CreateTokenizer(TokenizerFacts.None);
}
