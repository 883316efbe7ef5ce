using Llama.Grains.Text;
using Llama.Model.Tokenization;

namespace Llama.Grains.Tests.Text;

public sealed class VocabularyCodecTests
{
    [Fact]
    public void Read_WhatWasWritten_IsTheSameVocabulary()
    {
        ITokenizer tokenizer = TestModels.Tokenizer;

        IVocabulary read = VocabularyCodec.Read(VocabularyCodec.Write(tokenizer).ToArray(), tokenizer.AddsLeadingSpace);

        Assert.Equal(tokenizer.VocabSize, read.VocabSize);
        Assert.Equal(tokenizer.AddsLeadingSpace, read.AddsLeadingSpace);
        Assert.Contains(Enumerable.Range(0, read.VocabSize), id => read.TokenBytes(id).Length > 1);
        for (int id = -1; id <= tokenizer.VocabSize; id++)
        {
            Assert.Equal(tokenizer.TokenBytes(id), read.TokenBytes(id));
            Assert.Equal(tokenizer.IsByte(id), read.IsByte(id));
        }
    }

    [Fact]
    public void Read_LongTokensAndByteTokens_AreTheSame()
    {
        var vocabulary = new Words([], [32], new byte[63], new byte[64], new byte[100_000]);

        IVocabulary read = VocabularyCodec.Read(VocabularyCodec.Write(vocabulary).ToArray(), addsLeadingSpace: false);

        Assert.Equal([0, 1, 63, 64, 100_000], Enumerable.Range(0, read.VocabSize).Select(id => read.TokenBytes(id).Length));
        Assert.Equal([false, true, false, false, false], Enumerable.Range(0, read.VocabSize).Select(read.IsByte));
    }

    [Theory]
    [InlineData("06 41 42")]
    [InlineData("80")]
    [InlineData("FF FF FF FF FF FF FF 01")]
    [InlineData("FF FF FF FF 0F 41")]
    public void Read_BytesThatEndWithinAToken_AreRefused(string bytes) =>
        Assert.Throws<InvalidDataException>(() => VocabularyCodec.Read(Convert.FromHexString(bytes.Replace(" ", "", StringComparison.Ordinal)), false));

    private sealed class Words(params byte[][] words) : IVocabulary
    {
        public int VocabSize => words.Length;

        public bool AddsLeadingSpace => false;

        public ReadOnlySpan<byte> TokenBytes(int id) => words[id];

        public bool IsByte(int id) => words[id].Length == 1;
    }
}
