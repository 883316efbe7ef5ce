using Llama.Grains.Links;
using Llama.Model.Layers;

namespace Llama.Grains.Gateway;

/// <summary>
/// The gateway's end of the links that bring the stages' heartbeats: takes them, answers each, so that the silo sees that somebody
/// listens, and looks at the <see cref="StageWatch"/> now and then.
/// </summary>
/// <param name="names">The stages' silos.</param>
/// <param name="watch">What judges the signs.</param>
/// <param name="times">Told how fast the stages are.</param>
/// <param name="time">Measures when to look.</param>
/// <param name="onLost">Told when a stage, if it is known which, is lost, why, and whether it has fallen silent or hangs.</param>
internal sealed class StageHeartbeats(
    IReadOnlyList<string> names, StageWatch watch, StageTimes times, TimeProvider time, Action<int?, string, bool> onLost) : IAsyncDisposable
{
    /// <summary>The link closes with the epoch, and other links tell why it ended.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(100);

    private readonly Stream?[] links = new Stream?[names.Count];
    private readonly CancellationTokenSource ending = new();
    private Task loops = Task.CompletedTask;

    /// <summary>Opens the links and begins to watch.</summary>
    /// <param name="dial">Opens the link of a stage.</param>
    public async Task OpenAsync(Func<int, Task<Stream>> dial)
    {
        await Task.WhenAll(links.Select(async (_, stage) => links[stage] = await dial(stage).ConfigureAwait(false))).ConfigureAwait(false);
        loops = Task.WhenAll([Task.Run(WatchAsync), .. links.Select((link, stage) => FollowAsync(stage, link!))]);
    }

    /// <summary>Closes the links.</summary>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        foreach (Stream? link in links)
        {
            if (link is not null) await link.DisposeAsync().ConfigureAwait(false);
        }

        await loops.ConfigureAwait(false);
    }

    private async Task FollowAsync(int stage, Stream link)
    {
        try
        {
            while (true)
            {
                (FrameKind kind, byte[] payload) =
                    await Frames.ReadAsync(link, StageHeartbeatCodec.MaxBytes, ending.Token).ConfigureAwait(false);
                Frames.Expect(kind, FrameKind.StageHeartbeat, payload);
                RangeProgress progress = StageHeartbeatCodec.Read(payload);
                watch.Hear(stage, progress);
                times.Hear(stage, progress);
                await Heartbeats.AnswerAsync(link, ending.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is (IOException and not LinkException) or OperationCanceledException or ObjectDisposedException)
        {
            await Task.Delay(Grace, ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            onLost(null, $"{names[stage]} closed the link of its heartbeats.", false);
        }
#pragma warning disable CA1031 // A failure is a value: whatever ends this loop, nobody hears the stage any more.
        catch (Exception e)
#pragma warning restore CA1031
        {
            onLost(stage, $"{names[stage]} gives no heartbeats: {e.Message}", false);
        }
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(StageWatch.Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ending.Token).ConfigureAwait(false))
            {
                if (watch.Check() is var (stage, reason)) onLost(stage, reason, true);
            }
        }
        catch (OperationCanceledException)
        {
            // The pipeline has ended.
        }
    }
}
