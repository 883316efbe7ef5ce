using System.Text.Json;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Stages;

namespace Llama.Grains.Records;

/// <summary>Calls the records of one silo, which may be gone, slow or hang: who calls waits a short time at most.</summary>
/// <param name="address">Where it listens.</param>
/// <param name="self">This process.</param>
/// <param name="time">Measures the waits.</param>
internal sealed class RecordLink(string address, LinkIdentity self, TimeProvider time) : IAsyncDisposable
{
    /// <summary>A silo that is well answers within this time, with its link's handshake.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    /// <summary>A silo that did not answer is left alone for so long.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private Task<GrainLink>? opening;
    private long? failedAt;
    private Task closing = Task.CompletedTask;
    private bool disposed;

    /// <summary>Calls.</summary>
    /// <returns>The answer; null when there is none in time, or the silo gave none to an earlier call a moment ago.</returns>
    public async Task<TResult?> CallAsync<TResult>(
        Func<IRecordsGrain, CancellationToken, Task<TResult>> call, CancellationToken cancellationToken)
        where TResult : class
    {
        if (Open() is not { } link) return null;
        using var deadline = new CancellationTokenSource(Deadline, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            GrainLink open = await link.WaitAsync(ending.Token).ConfigureAwait(false);
            return await call(open.Get<IRecordsGrain>(SiloNode.RecordsKey), ending.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (
            e is IOException or GrainCallException or JsonException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            lock (gate)
            {
                if (opening == link) Close();
                failedAt = time.GetTimestamp();
            }

            return null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            disposed = true;
            Close();
        }

        await closing.ConfigureAwait(false);
    }

    private Task<GrainLink>? Open()
    {
        lock (gate)
        {
            if (disposed || (failedAt is { } at && time.GetElapsedTime(at) < Pause)) return null;
            if (opening is { IsCompletedSuccessfully: true } && opening.Result.Ended.IsCompleted) Close();
            return opening ??= Task.Run(OpenAsync);
        }
    }

    private async Task<GrainLink> OpenAsync()
    {
        using var deadline = new CancellationTokenSource(Deadline, time);
        return await GrainLink.OpenAsync(address, self, deadline.Token).ConfigureAwait(false);
    }

    private void Close()
    {
        if (opening is { } link) closing = Task.WhenAll(closing, CloseAsync(link));
        opening = null;
    }

    private static async Task CloseAsync(Task<GrainLink> link)
    {
        try
        {
            await (await link.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // It was never open.
        }
    }
}
