using Llama.Grains.Generation;
using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Llama.Grains.Gateway;

/// <summary>
/// The requests of one attachment at the process that owns the pipelines: each is generated here, and what comes of all of them leaves in
/// one sequence of batches. It ends, and its requests with it, when the batches are no longer read.
/// </summary>
internal sealed class TokenFeed : IAsyncDisposable
{
    /// <summary>Between two heartbeats.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(0.5);

    /// <summary>Requests of one attachment at a time.</summary>
    private const int MostRequests = 65_536;

    /// <summary>Bytes after which a batch goes out, though more is there.</summary>
    private const int BatchBytes = 64 << 10;

    private readonly IGateway gateway;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource ending = new();
    private readonly ConcurrentDictionary<int, (CancellationTokenSource Ending, Task Generating)> requests = new();

    /// <summary>Holds no more than the sequences of the requests may generate.</summary>
    private readonly Channel<Item> items = Channel.CreateUnbounded<Item>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Begins without requests.</summary>
    /// <param name="gateway">Generates.</param>
    /// <param name="time">Measures heartbeats.</param>
    public TokenFeed(IGateway gateway, TimeProvider time) => (this.gateway, this.time) = (gateway, time);

    /// <summary>Generates for a request. One whose number is there already goes on.</summary>
    public void Submit(int number, GenerationRequest request)
    {
        if (ending.IsCancellationRequested || requests.ContainsKey(number)) return;
        if (requests.Count >= MostRequests)
        {
            var fault = new GenerationException(
                GenerationError.Overloaded, $"{MostRequests} requests of one gateway are in flight.", TimeSpan.FromSeconds(1));
            items.Writer.TryWrite(new Item(number, null, fault));
            return;
        }

        var cancelling = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
        var mayStart = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        mayStart.SetResult(requests.TryAdd(number, (cancelling, GenerateAsync(number, request, mayStart.Task, cancelling))));
    }

    /// <summary>Ends a request.</summary>
    public async Task CancelAsync(int number)
    {
        if (!requests.TryGetValue(number, out (CancellationTokenSource Ending, Task Generating) request)) return;
        try
        {
            await request.Ending.CancelAsync().ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            // It has just ended.
        }
    }

    /// <summary>Batches of what has come, and heartbeats; read once.</summary>
    public async IAsyncEnumerable<TokenBatch> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
        Task heartbeat = Task.Delay(Heartbeat, time, either.Token);
        Task<bool>? some = null;
        while (true)
        {
            some ??= items.Reader.WaitToReadAsync(either.Token).AsTask();
            await Task.WhenAny(some, heartbeat).ConfigureAwait(false);
            if (either.IsCancellationRequested) yield break;
            if (heartbeat.IsCompleted) heartbeat = Task.Delay(Heartbeat, time, either.Token);
            if (some.IsCompleted) some = null;
            yield return Take();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(requests.Values.Select(request => request.Generating)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ending.Dispose();
    }

    private TokenBatch Take()
    {
        var bytes = new ArrayBufferWriter<byte>();
        while (bytes.WrittenCount < BatchBytes && items.Reader.TryRead(out Item item))
        {
            if (item.Token is { } token) TokenBatchCodec.Write(bytes, item.Number, token);
            else TokenBatchCodec.Write(bytes, item.Number, item.Fault!);
        }

        return new TokenBatch(bytes.WrittenMemory);
    }

    private async Task GenerateAsync(int number, GenerationRequest request, Task<bool> mayStart, CancellationTokenSource cancelling)
    {
        if (!await mayStart.ConfigureAwait(false))
        {
            cancelling.Dispose();
            return;
        }

        try
        {
            // The first tokens of an answer that goes on are those that the other side has sent.
            int known = request.ResumedTokens.Count;
            await foreach (GeneratedToken token in gateway.GenerateAsync(request, cancelling.Token).ConfigureAwait(false))
            {
                if (known-- <= 0) items.Writer.TryWrite(new Item(number, token, null));
            }
        }
        catch (OperationCanceledException)
        {
            // The other side wants no more.
        }
#pragma warning disable CA1031 // A failure is a value: the reader of the tokens gets it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            GenerationException fault = e as GenerationException ?? new GenerationException(GenerationError.Unavailable, e.Message);
            items.Writer.TryWrite(new Item(number, null, fault));
        }
        finally
        {
            requests.TryRemove(number, out _);
            cancelling.Dispose();
        }
    }

    /// <summary>A token, or the fault that ended its request.</summary>
    private readonly record struct Item(int Number, GeneratedToken? Token, GenerationException? Fault);
}
