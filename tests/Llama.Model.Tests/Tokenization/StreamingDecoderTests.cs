using System.Text;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class StreamingDecoderTests
{
    private static readonly ITokenizer Bytes = TestTokenizers.Get("small-tiktoken"); // ids below 256 are bytes

    [Fact]
    public void Append_BytesOfACharacter_ComeTogether()
    {
        var decoder = new StreamingDecoder(Bytes, startsText: true);
        Assert.Equal(["a", "", "", "", "🦙", "b"], new[] { 'a', 0xF0, 0x9F, 0xA6, 0x99, 'b' }.Select(decoder.Append));
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void Append_BytesThatCannotComplete_BecomeReplacementCharacter()
    {
        var decoder = new StreamingDecoder(Bytes, startsText: true);
        Assert.Equal(["", "\uFFFDa", "\uFFFD", "", "\uFFFD\uFFFD"], new[] { 0xC3, 'a', 0xFF, 0xE2, 0xC0 }.Select(decoder.Append));
    }

    [Fact]
    public void Flush_HalfACharacter_GivesReplacementCharacter()
    {
        var decoder = new StreamingDecoder(Bytes, startsText: true);
        Assert.Equal("", decoder.Append(0xE2));
        Assert.Equal("", decoder.Append(0x82));
        Assert.Equal("\uFFFD", decoder.Flush());
    }

    [Fact]
    public void Append_SpecialAndForeignTokens_AddNothing()
    {
        var decoder = new StreamingDecoder(Bytes, startsText: true);
        Assert.Equal(["", "", "", "x"], new[] { Bytes.BeginOfText!.Value, -5, int.MaxValue, 'x' }.Select(decoder.Append));
    }

    [Theory]
    [InlineData(true, "Once")]
    [InlineData(false, " Once")]
    public void Append_FirstToken_LosesSpaceOnlyAtTheStartOfAText(bool startsText, string expected)
    {
        ITokenizer tokenizer = TestTokenizers.Get("tinystories");
        var decoder = new StreamingDecoder(tokenizer, startsText);
        Assert.Equal(expected, string.Concat(tokenizer.PromptStart.Concat(tokenizer.Encode("Once")).Select(decoder.Append)));
    }

    // As sentencepiece 0.1.97 decodes them: only the U+2581 of the first piece is the tokenizer's own.
    [Theory]
    [InlineData("<0x20>", " ")]
    [InlineData("<0x20> <0x20>", "  ")]
    [InlineData("<0x20> \u2581x", "  x")]
    [InlineData("\u2581x <0x20>", "x ")]
    [InlineData("\u2581 <0x20> y", " y")]
    [InlineData("<s> <0x20> y", " y")]
    [InlineData("<s> \u2581x", "x")]
    [InlineData("<0x0A> \u2581x", "\n x")]
    public void Append_ByteTokenOfASpace_KeepsIt(string pieces, string expected)
    {
        byte[] content = new SentencePieceBytes().Pieces("\u2581x", "\u2581", "x", "y").Trainer().Normalizer().ToArray();
        ITokenizer tokenizer = SentencePieceModel.Read(content, "m").CreateTokenizer(TokenizerFacts.None);
        int[] tokens = [.. pieces.Split(' ').Select(piece => piece switch
        {
            "<s>" => 1,
            "\u2581x" => SentencePieceBytes.FirstId,
            "\u2581" => SentencePieceBytes.FirstId + 1,
            "y" => SentencePieceBytes.FirstId + 3,
            _ => 3 + ByteTokens.Parse(piece)!.Value,
        })];
        Assert.Equal(expected, tokenizer.Decode(tokens));
    }

    [Fact]
    public void Append_AnyBytes_GiveWhatDecodingAtOnceGives()
    {
        var random = new Random(5);
        ReadOnlySpan<byte> common = [0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xC3, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF];
        for (int round = 0; round < 20_000; round++)
        {
            var bytes = new byte[random.Next(12)];
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = common[random.Next(common.Length)];
            Assert.Equal(Encoding.UTF8.GetString(bytes), Bytes.Decode(bytes.Select(value => (int)value)));
        }
    }
}
