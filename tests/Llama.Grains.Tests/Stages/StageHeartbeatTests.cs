using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Links;
using Llama.Model.Layers;
using Llama.Tests;

namespace Llama.Grains.Tests.Stages;

public sealed class StageHeartbeatTests
{
    private readonly ManualTime time = new();

    [Fact]
    public async Task SendAsync_GatewayThatAnswers_HearsHowFarTheStageIs()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        long layers = 0;
        Task sending = StageHeartbeat.SendAsync(link.Listener, () => new RangeProgress(3, ++layers, 2, default), time, Patience.Token);
        for (int i = 1; i <= 2; i++)
        {
            (FrameKind kind, byte[] payload) = await Frames.ReadAsync(link.Dialler, StageHeartbeatCodec.Bytes, Patience.Token).Soon();
            Assert.Equal((FrameKind.StageHeartbeat, new RangeProgress(3, i, 2, default)), (kind, StageHeartbeatCodec.Read(payload)));
            await Frames.SendAsync(link.Dialler, FrameKind.HeartbeatAnswer, ReadOnlyMemory<byte>.Empty, Patience.Token);
        }

        await link.Dialler.DisposeAsync();
        await Assert.ThrowsAnyAsync<IOException>(() => sending.Soon());
    }

    [Fact]
    public async Task SendAsync_GatewayThatIsSilent_EndsTheLink()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task sending = StageHeartbeat.SendAsync(link.Listener, () => default, time, Patience.Token);
        await Patience.UntilAsync(() => time.Timers > 0, () => "it listens");
        time.Advance(TimeSpan.FromSeconds(9.9));
        Assert.False(sending.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));
        LinkException fault = await Assert.ThrowsAsync<LinkException>(() => sending.Soon());
        Assert.Equal("The gateway has been silent for 10 s.", fault.Message);
    }

    [Fact]
    public async Task SendAsync_GatewayThatSaysSomethingElse_EndsTheLink()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task sending = StageHeartbeat.SendAsync(link.Listener, () => default, time, Patience.Token);
        await Frames.SendAsync(link.Dialler, FrameKind.Step, ReadOnlyMemory<byte>.Empty, Patience.Token);
        await Assert.ThrowsAsync<LinkException>(() => sending.Soon());
    }

    [Fact]
    public async Task SendAsync_Cancelled_Ends()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        using var stopping = new CancellationTokenSource();
        Task sending = StageHeartbeat.SendAsync(link.Listener, () => default, time, stopping.Token);
        await stopping.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending.Soon());
    }
}
