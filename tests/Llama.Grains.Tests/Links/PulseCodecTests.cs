using Llama.Grains.Links;
using Llama.Model.Layers;

namespace Llama.Grains.Tests.Links;

public sealed class PulseCodecTests
{
    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        var progress = new RangeProgress(ulong.MaxValue - 1, 1L << 40, 7, TimeSpan.FromDays(700));
        byte[] bytes = new byte[PulseCodec.Bytes];
        PulseCodec.Write(progress, bytes);
        Assert.Equal(progress, PulseCodec.Read(bytes));
        Assert.Throws<LinkException>(() => PulseCodec.Read(bytes.AsSpan(1)));
    }
}
