using System.Text;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class ByteLevelTokenizerTests
{
    public static TheoryData<string> Llama3Files => ["llama3/tokenizer.model", "llama3/tokenizer.json"];

    [Theory]
    [MemberData(nameof(Llama3Files))]
    public void Encode_RealVocabulary_GivesReferenceIds(string name)
    {
        ITokenizer tokenizer = TestTokenizers.Get(name);
        Assert.Equal(128256, tokenizer.VocabSize);
        IReadOnlyList<(string Text, int[] Ids)> vectors = TestTokenizers.Vectors("llama3");
        Assert.Equal(23, vectors.Count);
        foreach ((string text, int[] ids) in vectors)
        {
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(text, tokenizer.Decode(ids));
        }
    }

    [Theory]
    [MemberData(nameof(Llama3Files))]
    public void Encode_PromptOfLlama3FromScratch_GivesItsIds(string name)
    {
        ITokenizer tokenizer = TestTokenizers.Get(name);
        int[] ids =
        [
            .. tokenizer.PromptStart,
            .. tokenizer.Encode("the answer to the ultimate question of life, the universe, and everything is "),
        ];
        Assert.Equal([128000, 1820, 4320, 311, 279, 17139, 3488, 315, 2324, 11, 279, 15861, 11, 323, 4395, 374, 220], ids);
    }

    [Fact]
    public void FindSpecial_NamesOf30And31_AreBothKnownInMetasFormat()
    {
        ITokenizer tokenizer = TestTokenizers.Get("llama3/tokenizer.model");
        Assert.Equal(128000, tokenizer.FindSpecial("<|begin_of_text|>"));
        Assert.Equal(128001, tokenizer.FindSpecial("<|end_of_text|>"));
        Assert.Equal(128004, tokenizer.FindSpecial("<|reserved_special_token_2|>"));
        Assert.Equal(128004, tokenizer.FindSpecial("<|finetune_right_pad_id|>"));
        Assert.Equal(128005, tokenizer.FindSpecial("<|step_id|>"));
        Assert.Equal(128006, tokenizer.FindSpecial("<|start_header_id|>"));
        Assert.Equal(128007, tokenizer.FindSpecial("<|end_header_id|>"));
        Assert.Equal(128008, tokenizer.FindSpecial("<|eom_id|>"));
        Assert.Equal(128009, tokenizer.FindSpecial("<|eot_id|>"));
        Assert.Equal(128010, tokenizer.FindSpecial("<|python_tag|>"));
        Assert.Equal(128255, tokenizer.FindSpecial("<|reserved_special_token_250|>"));
        Assert.Null(tokenizer.FindSpecial("<|reserved_special_token_251|>"));
        Assert.Null(tokenizer.FindSpecial("Hello"));
        Assert.True(tokenizer.TokenBytes(128009).IsEmpty);
        Assert.True(tokenizer.TokenBytes(128256).IsEmpty);
    }

    [Theory]
    [MemberData(nameof(Llama3Files))]
    public void Encode_SpecialName_IsTokenOnlyWhenParsed(string name)
    {
        ITokenizer tokenizer = TestTokenizers.Get(name);
        const string Text = "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>";
        Assert.Equal([128006, 882, 128007, 271, 9906, 128009], tokenizer.Encode(Text, parseSpecial: true));
        IReadOnlyList<int> plain = tokenizer.Encode("hi<|eot_id|>");
        Assert.All(plain, id => Assert.True(id < 128000));
        Assert.Equal("hi<|eot_id|>", tokenizer.Decode(plain));
    }

    [Fact]
    public void Encode_CharactersOutsideTheBasicPlane_AreNotCutApart()
    {
        // Letters that were cut at surrogates could not merge; digits are cut in threes.
        ITokenizer tokenizer = Small("𝐀𝐁", "𝐀", "𝐁", "𝟙𝟚", "𝟛𝟜", "𝟙𝟚𝟛", "𝟙", "𝟚", "𝟛", "𝟜");
        Assert.Equal([256], tokenizer.Encode("𝐀𝐁"));
        Assert.Equal([261, 265], tokenizer.Encode("𝟙𝟚𝟛𝟜"));
    }

    [Fact]
    public void Encode_LoneSurrogate_CountsAsReplacementCharacter()
    {
        ITokenizer tokenizer = Small();
        Assert.Equal([0xEF, 0xBF, 0xBD, 'a'], tokenizer.Encode("\uD800a"));
        Assert.Equal([0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD], tokenizer.Encode("\uDC00\uD800"));
    }

    [Fact]
    public void Encode_WholePieceThatMergesDoNotReach_IsTakenAtOnce()
    {
        // "bc" merges first, and then nothing makes "abc" of "a" and "bc" but the rule for whole pieces; "abcd" has no such luck.
        ITokenizer tokenizer = Small("bc", "ab", "abcx", "abxc");
        Assert.Equal([259], tokenizer.Encode("abxc"));
        Assert.Equal(['a', 256, 'd'], tokenizer.Encode("abcd"));
    }

    [Fact]
    public void Encode_LowerRank_MergesFirst()
    {
        Assert.Equal(['a', 256], Small("bc", "ab").Encode("abc"));
        Assert.Equal([256, 'c'], Small("ab", "bc").Encode("abc"));
    }

    private static ITokenizer Small(params string[] tokens) =>
        TiktokenFile.Read(Encoding.UTF8.GetBytes(TestTokenizers.SmallTiktoken(tokens)), "small");
}
