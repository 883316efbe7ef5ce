using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using Llama.Grains.Links;

namespace Llama.Grains.Hosting;

/// <summary>
/// The calling end of a link to a grain host. <see cref="Get"/> gives an object of the grain's interface whose methods run over there.
/// When the link breaks, every call under way fails.
/// </summary>
public sealed class GrainLink : IAsyncDisposable
{
    private const int MaxCallsUnderWay = 64;

    private readonly Stream stream;
    private readonly SemaphoreSlim sending = new(1);
    private readonly ConcurrentDictionary<long, TaskCompletionSource<GrainReply>> waiting = new();
    private readonly CancellationTokenSource closing = new();
    private readonly Task receiving;
    private long lastId;
    private volatile string? closed;
    private int disposed;

    private GrainLink(Stream stream)
    {
        this.stream = stream;
        receiving = ReceiveAsync();
    }

    /// <summary>Completes when the link has ended, from whichever side.</summary>
    public Task Ended => receiving;

    /// <summary>Opens a link for calls.</summary>
    /// <exception cref="IOException">Nobody answers there, or the other side refuses.</exception>
    public static async Task<GrainLink> OpenAsync(string address, LinkIdentity self, CancellationToken cancellationToken) =>
        new(await Dialler.DialAsync(address, self, new LinkTarget(LinkPurpose.Calls), cancellationToken).ConfigureAwait(false));

    /// <summary>Serves the other end: runs calls in a host until the link ends.</summary>
    public static async Task ServeAsync(Stream stream, GrainHost host, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(host);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var sending = new SemaphoreSlim(1);
        using var places = new SemaphoreSlim(MaxCallsUnderWay);
        try
        {
            while (true)
            {
                GrainCall call = await Frames.ReadJsonAsync<GrainCall>(stream, FrameKind.Call, cancellationToken).ConfigureAwait(false);
                await places.WaitAsync(cancellationToken).ConfigureAwait(false);
                _ = AnswerAsync(call);
            }
        }
        finally
        {
            // Who called is gone: nobody waits for the answers. Every call holds a place until it has ended.
            await ended.CancelAsync().ConfigureAwait(false);
            for (int i = 0; i < MaxCallsUnderWay; i++) await places.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        }

        async Task AnswerAsync(GrainCall call)
        {
            // Up to the grain's mailbox this runs before the next call is read, so calls get there in the order in which they came.
            GrainReply reply;
            try
            {
                reply = new GrainReply(call.Id, await host.CallAsync(call, ended.Token).ConfigureAwait(false), null);
            }
#pragma warning disable CA1031 // A failure is a value: the caller gets it as the reply.
            catch (Exception e)
#pragma warning restore CA1031
            {
                reply = new GrainReply(call.Id, null, e.Message);
            }

            try
            {
                await sending.WaitAsync(ended.Token).ConfigureAwait(false);
                try
                {
                    await Frames.SendJsonAsync(stream, FrameKind.Reply, reply, ended.Token).ConfigureAwait(false);
                }
                finally
                {
                    sending.Release();
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // The link ended; the loop that reads from it sees that too.
            }
            finally
            {
                places.Release();
            }
        }
    }

    /// <summary>A grain over there.</summary>
    /// <typeparam name="TGrain">Its interface.</typeparam>
    /// <param name="key">Which one.</param>
    public TGrain Get<TGrain>(string key)
        where TGrain : class
    {
        TGrain grain = DispatchProxy.Create<TGrain, GrainProxy>();
        ((GrainProxy)(object)grain).Bind(this, typeof(TGrain).Name, key);
        return grain;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        await closing.CancelAsync().ConfigureAwait(false);
        await stream.DisposeAsync().ConfigureAwait(false);
        await receiving.ConfigureAwait(false);
        closing.Dispose();
    }

    /// <summary>Sends a call and waits for its answer.</summary>
    /// <exception cref="GrainCallException">The grain threw, or the link broke.</exception>
    internal async Task<JsonElement?> CallAsync(GrainCall call, CancellationToken cancellationToken)
    {
        call = call with { Id = Interlocked.Increment(ref lastId) };
        var answer = new TaskCompletionSource<GrainReply>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[call.Id] = answer;
        try
        {
            if (closed is { } reason) throw new GrainCallException(reason);
            await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
            await SendAsync(call).WaitAsync(cancellationToken).ConfigureAwait(false);
            GrainReply reply = await answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            return reply.Error is null ? reply.Result : throw new GrainCallException(reply.Error);
        }
        finally
        {
            waiting.TryRemove(call.Id, out _);
        }
    }

    /// <summary>A frame that has begun goes out whole, whether or not its caller still waits: half of one would spoil the link.</summary>
    private async Task SendAsync(GrainCall call)
    {
        try
        {
            await Frames.SendJsonAsync(stream, FrameKind.Call, call, closing.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            End(e.Message);
        }
        finally
        {
            sending.Release();
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                GrainReply reply = await Frames.ReadJsonAsync<GrainReply>(stream, FrameKind.Reply, closing.Token).ConfigureAwait(false);
                if (waiting.TryGetValue(reply.Id, out TaskCompletionSource<GrainReply>? call)) call.TrySetResult(reply);
            }
        }
#pragma warning disable CA1031 // A failure is a value: whatever ends this loop, no call gets an answer any more.
        catch (Exception e)
#pragma warning restore CA1031
        {
            End(e.Message);
        }
    }

    /// <summary>Nothing comes back any more: every call under way fails, and so does every later one.</summary>
    private void End(string reason)
    {
        closed = $"The link is closed: {reason}";
        foreach ((long id, TaskCompletionSource<GrainReply> call) in waiting) call.TrySetResult(new GrainReply(id, null, closed));
    }
}
