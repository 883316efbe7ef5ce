using System.Text;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class RoundTripTests
{
    private static readonly Gen<Rune> Runes = Gen.Frequency(
        (6, Gen.Choose(' ', '~').Select(value => new Rune(value))),
        (2, Gen.Elements(new Rune(' '), new Rune('\n'), new Rune('\t'), new Rune('\r'), new Rune(0), new Rune(0xFFFD), new Rune(0xFEFF))),
        (2, Gen.Choose(0, 0xFFFF).Where(Rune.IsValid).Where(value => value != SpaceRules.Mark).Select(value => new Rune(value))),
        (2, Gen.Choose(0x10000, 0x10FFFF).Select(value => new Rune(value))));

    /// <summary>Well-formed Unicode without U+2581, which SentencePiece cannot tell from a space.</summary>
    private static readonly Arbitrary<string> Texts = Arb.From(Runes.ArrayOf().Select(runes => string.Concat(runes)));

    public static TheoryData<string> LosslessTokenizers =>
    [
        "llama2/tokenizer.model", "llama2/tokenizer.json", "llama2/converted",
        "llama3/tokenizer.model", "llama3/tokenizer.json", "small-tiktoken",
    ];

    [Theory]
    [MemberData(nameof(LosslessTokenizers))]
    public void Decode_OfEncodedText_IsTheText(string name)
    {
        ITokenizer tokenizer = TestTokenizers.Get(name);
        Check(text => tokenizer.Decode(tokenizer.Encode(text)) == text);
    }

    [Theory]
    [MemberData(nameof(LosslessTokenizers))]
    public void Decode_TokenByToken_GivesWholeCharacters(string name)
    {
        ITokenizer tokenizer = TestTokenizers.Get(name);
        Check(text =>
        {
            var decoder = new StreamingDecoder(tokenizer, startsText: true);
            List<string> parts = [.. tokenizer.Encode(text).Select(decoder.Append)];
            return decoder.Flush().Length == 0 && string.Concat(parts) == text && parts.TrueForAll(HasWholeCharacters);
        });
    }

    [Fact]
    public void Decode_OfTextEncodedWithoutExtraSpaces_IsTheTextWithoutThem()
    {
        ITokenizer tokenizer = TestTokenizers.Get("tinystories");
        Check(text => tokenizer.Decode(tokenizer.Encode(text)) == Regex.Replace(text, " +", " ").Trim(' '));
    }

    [Theory]
    [InlineData("llama2", "tokenizer.json")]
    [InlineData("llama2", "converted")]
    [InlineData("llama3", "tokenizer.json")]
    public void Encode_ModelAndJson_GiveTheSameIds(string name, string jsonName)
    {
        ITokenizer model = TestTokenizers.Get($"{name}/tokenizer.model");
        ITokenizer json = name == "llama2" ? TestTokenizers.GetLlama2($"{name}/{jsonName}") : TestTokenizers.Get($"{name}/{jsonName}");
        Assert.Equal(model.VocabSize, json.VocabSize);
        for (int id = 0; id < model.VocabSize; id++)
            Assert.Equal(model.TokenBytes(id), json.TokenBytes(id));
        Check(text => model.Encode(text).SequenceEqual(json.Encode(text)));
        foreach (char character in " a1\n▁")
        {
            for (int length = 1; length < 200; length++)
            {
                string run = new(character, length);
                Assert.Equal(model.Encode(run + "x"), json.Encode(run + "x"));
            }
        }

        // Random tokens one after the other are more like text than random characters are.
        var random = new Random(11);
        for (int round = 0; round < 2_000; round++)
        {
            string text = model.Decode(Enumerable.Range(0, 20).Select(_ => random.Next(model.VocabSize)));
            Assert.Equal(model.Encode(text), json.Encode(text));
        }
    }

    private static void Check(Func<string, bool> property) =>
        Prop.ForAll(Texts, property).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithEndSize(200).WithReplay(19991231, 7));

    private static bool HasWholeCharacters(string part) =>
        part.Length == 0 || !(char.IsLowSurrogate(part[0]) || char.IsHighSurrogate(part[^1]));
}
