using Llama.Model.Checkpoints;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class SentencePieceModelTests
{
    [Fact]
    public void Read_UnusedPiece_NamesPieceAndType() =>
        AssertRefused(new SentencePieceBytes().Piece("a", 0, SentencePieceBytes.Unused).Trainer(), "piece 259 has type 5");

    [Fact]
    public void Read_Unigram_NamesModelType() => AssertRefused(new SentencePieceBytes().Trainer(modelType: 1), "model_type is 1");

    [Fact]
    public void Read_NoTrainerSpec_NamesModelType() => AssertRefused(new SentencePieceBytes(), "model_type is 1");

    [Fact]
    public void Read_NoByteFallback_NamesSetting() =>
        AssertRefused(new SentencePieceBytes().Trainer(byteFallback: false), "byte_fallback is False");

    [Fact]
    public void Read_CharacterMap_NamesSetting() =>
        AssertRefused(new SentencePieceBytes().Trainer().Normalizer(characterMap: "map"), "precompiled_charsmap is not empty");

    [Fact]
    public void Read_ByteMissing_NamesByte() =>
        AssertRefused(new SentencePieceBytes(bytes: false).Piece("<0x00>", 0, SentencePieceBytes.Byte).Trainer(), "no byte token <0x01>");

    [Fact]
    public void Read_ByteMisnamed_NamesPiece() =>
        AssertRefused(new SentencePieceBytes().Piece("<0xaa>", 0, SentencePieceBytes.Byte).Trainer(), "byte token 259 is '<0xaa>'");

    [Fact]
    public void Read_PieceTwice_NamesPiece() =>
        AssertRefused(new SentencePieceBytes().Pieces("a", "b", "a").Trainer(), "piece 261 is 'a' again");

    [Fact]
    public void Read_EmptyPiece_NamesPiece() => AssertRefused(new SentencePieceBytes().Pieces("").Trainer(), "piece 259 has 0 characters");

    [Fact]
    public void Read_LongPiece_NamesLength() =>
        AssertRefused(new SentencePieceBytes().Pieces(new string('a', 257)).Trainer(), "piece 259 has 257 characters");

    [Fact]
    public void Read_ScoreNotFinite_NamesPiece() =>
        AssertRefused(new SentencePieceBytes().Piece("a", float.NaN).Trainer(), "piece 259 has the score NaN");

    [Fact]
    public void Read_BeginOfTextThatIsNoPiece_HasNone()
    {
        byte[] content = new SentencePieceBytes().Message(
            2, [.. SentencePieceBytes.Varint(3, 2), .. SentencePieceBytes.Varint(35, 1), .. SentencePieceBytes.Text(46, "<begin>")]).ToArray();
        ITokenizer tokenizer = SentencePieceModel.Read(content, "m").CreateTokenizer(TokenizerFacts.None);
        Assert.Null(tokenizer.BeginOfText);
        Assert.Empty(tokenizer.PromptStart);
    }

    [Theory]
    [InlineData(new byte[] { 0x0A, 0x7F, 1 }, "field 1 has 127 bytes, but only 1 are left")]
    [InlineData(new byte[] { 0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 }, "field 1 has 18446744073709551615 bytes")]
    [InlineData(new byte[] { 0x0A, 0x80, 0x80 }, "ends inside a number")]
    [InlineData(new byte[] { 0x0A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 }, "a number of more than ten bytes")]
    [InlineData(new byte[] { 0x08, 0x01 }, "field 1 has wire type 0, expected 2")]
    [InlineData(new byte[] { 0x23, 0x24 }, "field 4 has wire type 3")]
    [InlineData(new byte[] { 0x02, 0x00 }, "field number 0")]
    [InlineData(new byte[] { 0x0A, 0x04, 0x0A, 0x02, 0xC3, 0x28 }, "piece 0 is not a well-formed SentencePiece model: field 1")]
    public void Read_MalformedProtobuf_SaysWhat(byte[] content, string message)
    {
        var exception = Assert.Throws<CheckpointException>(() => SentencePieceModel.Read(content, "x.model"));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    private static void AssertRefused(SentencePieceBytes model, string message)
    {
        var exception = Assert.Throws<CheckpointException>(() => SentencePieceModel.Read(model.ToArray(), "x.model").CreateTokenizer(TokenizerFacts.None));
        Assert.StartsWith("x.model", exception.Message, StringComparison.Ordinal);
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }
}
