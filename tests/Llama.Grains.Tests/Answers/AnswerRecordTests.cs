using System.Buffers;
using Llama.Grains.Answers;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Answers;

public sealed class AnswerRecordTests
{
    private const int VocabSize = 300;
    private static readonly string Request = new('A', 64);
    private static readonly DateTimeOffset Created = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123);

    private static readonly (int Choice, GeneratedToken Token)[] Tokens =
    [
        (0, new GeneratedToken(new TokenLogprob(7, -0.25f), [new TokenLogprob(8, -0.125f), new TokenLogprob(7, -0.25f)], null, 3)),
        (2, new GeneratedToken(new TokenLogprob(299, float.NegativeInfinity), [], null)),
        (0, new GeneratedToken(new TokenLogprob(0, 0), [new TokenLogprob(1, -1), new TokenLogprob(2, -2)], FinishReason.Stop, 3)),
        (2, new GeneratedToken(new TokenLogprob(5, -1e-30f), [], FinishReason.Length)),
    ];

    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        byte[] bytes = Write();
        AnswerRecord record = AnswerRecord.Read(bytes, VocabSize)!;
        Assert.Equal(("cmpl-ä", Created, Request), (record.Id, record.Created, record.Request));
        Assert.Equal((bytes.Length, 4), (record.Length, record.TokenCount));
        AssertSame([Tokens[0].Token, Tokens[2].Token], record.Tokens(0));
        Assert.Empty(record.Tokens(1));
        AssertSame([Tokens[1].Token, Tokens[3].Token], record.Tokens(2));
        Assert.Empty(record.Tokens(200));
    }

    [Fact]
    public void Read_CutOffAnywhere_HasTheTokensThatAreWhole()
    {
        byte[] bytes = Write();
        int[] ends = [.. Enumerable.Range(0, 5).Select(tokens => Write(tokens).Length)];
        for (int length = 0; length <= bytes.Length; length++)
        {
            AnswerRecord? record = AnswerRecord.Read(bytes.AsSpan(0, length), VocabSize);
            int whole = ends.Count(end => end <= length) - 1;
            if (whole < 1) Assert.Null(record);
            else Assert.Equal((whole, ends[whole]), (record!.TokenCount, record.Length));
        }
    }

    [Theory]
    [InlineData(0, 300)]
    [InlineData(0, -1)]
    [InlineData(2, 0x7fc00000)]
    public void Read_TokenThatCannotBe_EndsTheRecordBeforeIt(int field, int value)
    {
        byte[] bytes = Write();
        int second = Write(1).Length;
        BitConverter.TryWriteBytes(bytes.AsSpan(second + 7 + (2 * field)), value);
        Assert.Equal((1, second), (AnswerRecord.Read(bytes, VocabSize)!.TokenCount, AnswerRecord.Read(bytes, VocabSize)!.Length));
    }

    [Fact]
    public void Read_TokenBehindTheEndOfItsChoice_EndsTheRecordBeforeIt()
    {
        byte[] bytes = [.. Write(), .. Write()[Write(0).Length..]];
        Assert.Equal((4, Write().Length), (AnswerRecord.Read(bytes, VocabSize)!.TokenCount, AnswerRecord.Read(bytes, VocabSize)!.Length));
    }

    [Fact]
    public void Read_AnyBytes_GivesARecordOrNone()
    {
        var random = new Random(1);
        byte[] good = Write();
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = [.. good];
            if (i % 2 == 0) random.NextBytes(bytes);
            for (int changes = random.Next(4); changes >= 0; changes--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            AnswerRecord? record = AnswerRecord.Read(bytes, VocabSize);
            if (record is null) continue;
            Assert.InRange(record.Length, 1, bytes.Length);
            for (int choice = 0; choice < 256; choice++)
            {
                foreach (GeneratedToken token in record.Tokens(choice))
                {
                    Assert.InRange(token.Sampled.Token, 0, VocabSize - 1);
                    Assert.All(token.TopLogprobs, logprob => Assert.False(float.IsNaN(logprob.LogProbability)));
                }
            }
        }
    }

    [Fact]
    public void NameOf_ClientsAndKeys_AreToldApartAndNotShown()
    {
        string[] names = [AnswerRecord.NameOf("a", "b c"), AnswerRecord.NameOf("a b", "c"), AnswerRecord.NameOf("a", "b")];
        Assert.Equal(3, names.Distinct().Count());
        Assert.All(names, name => Assert.Equal(64, name.Length));
        Assert.Equal(names[0], AnswerRecord.NameOf("a", "b c"));
    }

    private static byte[] Write(int tokens = 4)
    {
        var bytes = new ArrayBufferWriter<byte>();
        AnswerRecord.WriteStart(bytes, "cmpl-ä", Created, Request);
        foreach ((int choice, GeneratedToken token) in Tokens.Take(tokens)) AnswerRecord.WriteToken(bytes, choice, token);
        return bytes.WrittenSpan.ToArray();
    }

    private static void AssertSame(GeneratedToken[] expected, IReadOnlyList<GeneratedToken> found)
    {
        Assert.Equal(
            expected.Select(token => (token.Sampled, token.Finish, token.CachedTokens)),
            found.Select(token => (token.Sampled, token.Finish, token.CachedTokens)));
        Assert.Equal(expected.Select(token => token.TopLogprobs), found.Select(token => token.TopLogprobs));
    }
}
