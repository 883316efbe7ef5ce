using System.Buffers;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Gateway;

public sealed class TokenBatchCodecTests
{
    private static readonly GeneratedToken[] Tokens =
    [
        new(new TokenLogprob(7, -0.25f), [new TokenLogprob(8, -0.125f), new TokenLogprob(7, -0.25f)], null, 3),
        new(new TokenLogprob(128_255, float.NegativeInfinity), [], FinishReason.Stop),
        new(new TokenLogprob(0, 0), [], FinishReason.Length, int.MaxValue),
    ];

    private static readonly GenerationException[] Faults =
    [
        new(GenerationError.Invalid, "The prompt is empty; expected at least one token."),
        new(GenerationError.Overloaded, "Zu viele – später.", TimeSpan.FromSeconds(1.5)),
        new(GenerationError.Expired, ""),
        new(GenerationError.Unavailable, "Nobody is there.", TimeSpan.Zero),
    ];

    [Fact]
    public void Read_WhatWasWritten_IsTheSameInOrder()
    {
        ReadOnlySpan<byte> rest = Write();
        for (int i = 0; i < Tokens.Length; i++)
        {
            GeneratedToken token = TokenBatchCodec.Read(ref rest, out int request, out GenerationException? fault)!;
            Assert.Null(fault);
            Assert.Equal(i * 1_000_000, request);
            Assert.Equal(
                (Tokens[i].Sampled, Tokens[i].Finish, Tokens[i].CachedTokens), (token.Sampled, token.Finish, token.CachedTokens));
            Assert.Equal(Tokens[i].TopLogprobs, token.TopLogprobs);
        }

        for (int i = 0; i < Faults.Length; i++)
        {
            Assert.Null(TokenBatchCodec.Read(ref rest, out int request, out GenerationException? fault));
            Assert.Equal(-1 - i, request);
            Assert.Equal((Faults[i].Error, Faults[i].Message, Faults[i].RetryAfter), (fault!.Error, fault.Message, fault.RetryAfter));
        }

        Assert.True(rest.IsEmpty);
    }

    [Theory]
    [InlineData(long.MaxValue, int.MaxValue)]
    [InlineData(-TimeSpan.TicksPerHour, 0)]
    public void Read_TimesToTryAgainThatDoNotFit_AreTheNearest(long ticks, int milliseconds)
    {
        var bytes = new ArrayBufferWriter<byte>();
        TokenBatchCodec.Write(bytes, 1, new GenerationException(GenerationError.Overloaded, "a", TimeSpan.FromTicks(ticks)));
        ReadOnlySpan<byte> rest = bytes.WrittenSpan;
        TokenBatchCodec.Read(ref rest, out _, out GenerationException? fault);
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), fault!.RetryAfter);
    }

    [Fact]
    public void Write_TokenAndFault_HaveTheGoldenBytes()
    {
        var bytes = new ArrayBufferWriter<byte>();
        TokenBatchCodec.Write(bytes, 0x01020304, Tokens[0]);
        TokenBatchCodec.Write(bytes, 5, new GenerationException(GenerationError.Unavailable, "nö", TimeSpan.FromSeconds(1)));
        TokenBatchCodec.Write(bytes, 6, new GenerationException(GenerationError.Invalid, "", null));
        Assert.Equal(
            "04030201" + "00" + "00" + "00" + "02" + "03000000" + "07000000000080BE" + "08000000000000BE" + "07000000000080BE"
            + "05000000" + "01" + "03" + "E8030000" + "03000000" + "6EC3B6"
            + "06000000" + "01" + "00" + "FFFFFFFF" + "00000000",
            Convert.ToHexString(bytes.WrittenSpan));
    }

    [Fact]
    public void Read_CutOffAnywhere_IsInvalidAfterTheItemsThatAreWhole()
    {
        byte[] bytes = Write();
        List<int> ends = [0];
        ReadOnlySpan<byte> all = bytes;
        while (!all.IsEmpty)
        {
            TokenBatchCodec.Read(ref all, out _, out _);
            ends.Add(bytes.Length - all.Length);
        }

        for (int length = 0; length <= bytes.Length; length++)
        {
            int items = 0;
            ReadOnlySpan<byte> rest = bytes.AsSpan(0, length);
            bool valid = true;
            while (valid && !rest.IsEmpty)
            {
                try
                {
                    TokenBatchCodec.Read(ref rest, out _, out _);
                    items++;
                }
                catch (InvalidDataException)
                {
                    valid = false;
                }
            }

            Assert.Equal(ends.Count(end => end <= length) - 1, items);
            Assert.Equal(ends.Contains(length), valid);
        }
    }

    [Theory]
    [InlineData(4, 2)]
    [InlineData(4, 255)]
    [InlineData(5, 4)]
    [InlineData(13, 0x80)]
    [InlineData(13, 0x7f)]
    public void Read_FaultThatCannotBe_IsInvalid(int offset, byte value)
    {
        var writer = new ArrayBufferWriter<byte>();
        TokenBatchCodec.Write(writer, 1, Faults[0]);
        byte[] bytes = writer.WrittenSpan.ToArray();
        bytes[offset] = value;
        Assert.Throws<InvalidDataException>(() => Read(bytes));
    }

    [Theory]
    [InlineData(6, 3)]
    [InlineData(7, 21)]
    [InlineData(11, 0x80)]
    [InlineData(15, 0x80)]
    public void Read_TokenThatCannotBe_IsInvalid(int offset, byte value)
    {
        var writer = new ArrayBufferWriter<byte>();
        TokenBatchCodec.Write(writer, 1, Tokens[0]);
        byte[] bytes = writer.WrittenSpan.ToArray();
        bytes[offset] = value;
        Assert.Throws<InvalidDataException>(() => Read(bytes));
    }

    [Fact]
    public void Read_AnyBytes_GivesItemsOrIsInvalid()
    {
        var random = new Random(1);
        byte[] good = Write();
        int valid = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = [.. good];
            if (i % 2 == 0) random.NextBytes(bytes);
            for (int changes = random.Next(3); changes >= 0; changes--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                Read(bytes);
                valid++;
            }
            catch (InvalidDataException)
            {
                // As it should.
            }
        }

        Assert.InRange(valid, 100, 10_000);
    }

    private static void Read(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int before = bytes.Length;
            GeneratedToken? token = TokenBatchCodec.Read(ref bytes, out _, out GenerationException? fault);
            Assert.True(token is null != fault is null);
            Assert.InRange(bytes.Length, 0, before - 1);
        }
    }

    private static byte[] Write()
    {
        var bytes = new ArrayBufferWriter<byte>();
        for (int i = 0; i < Tokens.Length; i++) TokenBatchCodec.Write(bytes, i * 1_000_000, Tokens[i]);
        for (int i = 0; i < Faults.Length; i++) TokenBatchCodec.Write(bytes, -1 - i, Faults[i]);
        return bytes.WrittenSpan.ToArray();
    }
}
