using Llama.Grains.Gateway;
using Llama.Grains.Answers;

namespace Llama.Gateway.Api.Retries;

/// <summary>
/// Sends the silo that keeps records what is new in the kept answers, all of them again when it is another silo. What did not arrive before
/// the gateway died is sampled again, with the same bits; so nobody waits for it.
/// </summary>
/// <param name="kept">The answers.</param>
/// <param name="gateway">Knows the silo.</param>
/// <param name="time">Measures the pauses.</param>
/// <param name="logger">Told of faults.</param>
internal sealed partial class RecordSender(KeptAnswers kept, IGateway gateway, TimeProvider time, ILogger<RecordSender> logger)
    : BackgroundService
{
    /// <summary>Between two batches.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ticks = new PeriodicTimer(Interval, time);
        try
        {
            while (await ticks.WaitForNextTickAsync(stoppingToken)) await TrySendAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The gateway stops, or could not start.
        }
    }

    private async Task TrySendAsync(CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // What cannot be recorded is still answered.
            Log.Failed(logger, exception);
        }
    }

    private async Task SendAsync(CancellationToken cancellationToken)
    {
        if (gateway.Records.Keeper is not { } keeper) return;
        List<(KeptAnswer Answer, RecordPart Part)> batch = [];
        var room = AnswerStore.PageBytes;
        foreach (var answer in kept.All)
        {
            while (answer.Unsent(keeper, room) is { } part)
            {
                batch.Add((answer, part));
                room -= part.Bytes.Length;
                if (room > 0) break;
                if (!await FlushAsync(keeper, batch, cancellationToken)) return;
                batch.Clear();
                room = AnswerStore.PageBytes;
            }
        }

        if (batch.Count > 0) await FlushAsync(keeper, batch, cancellationToken);
    }

    /// <returns>Whether the silo took all of it; what it did not take waits for the next time.</returns>
    private async Task<bool> FlushAsync(
        string keeper, List<(KeptAnswer Answer, RecordPart Part)> batch, CancellationToken cancellationToken)
    {
        var lengths = await gateway.Records.AppendAsync([.. batch.Select(sent => sent.Part)], cancellationToken);
        if (lengths?.Count != batch.Count) return false;
        var isTaken = true;
        foreach (var ((answer, part), length) in batch.Zip(lengths)) isTaken &= answer.Sent(keeper, part, length);
        return isTaken;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "Records of answers were not sent")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
