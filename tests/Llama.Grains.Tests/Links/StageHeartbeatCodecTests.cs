using Llama.Grains.Links;
using Llama.Model.Layers;

namespace Llama.Grains.Tests.Links;

public sealed class StageHeartbeatCodecTests
{
    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        var progress = new RangeProgress(ulong.MaxValue - 1, 1L << 40, 7, TimeSpan.FromDays(700));
        byte[] bytes = new byte[StageHeartbeatCodec.Bytes];
        StageHeartbeatCodec.Write(progress, bytes);
        Assert.Equal(progress, StageHeartbeatCodec.Read(bytes));
        Assert.Equal(progress, StageHeartbeatCodec.Read([.. bytes, 1, 2, 3]));
        Assert.Throws<LinkException>(() => StageHeartbeatCodec.Read(bytes.AsSpan(1)));
    }
}
