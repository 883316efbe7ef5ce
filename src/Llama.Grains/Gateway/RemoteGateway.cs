using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Llama.Grains.Answers;
using Llama.Grains.Generation;
using Llama.Grains.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// The model as a process asks for it that does not own its pipelines. All its requests share one attachment to the gateway grain. When the
/// attachment breaks, because the process that owned the pipelines is gone or hangs, each request is submitted again with the tokens that
/// it has, and goes on with the same ones.
/// </summary>
public sealed partial class RemoteGateway : IGateway, IAsyncDisposable
{
    /// <summary>The owner is gone when it sent no heartbeat for so long.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(2.5);

    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    private readonly GatewayRoute route;
    private readonly TimeSpan recoveryTimeout;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly Action<SiloProcess>? heard;
    private readonly CancellationTokenSource stopping = new();
    private readonly Task loops;
    private volatile GatewayReport? report;
    private volatile ClusterStatus status;
    private volatile ClusterPlan plan;
    private volatile string reason = "This gateway is joining its cluster.";
    private volatile TaskCompletionSource<Attachment> attached = New();

    /// <summary>Begins to look for the owner.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="route">The way to the grain.</param>
    /// <param name="answers">Calls what silos keep of answers.</param>
    /// <param name="recoveryTimeout">How long a request waits for an owner before it fails.</param>
    /// <param name="time">Measures silence and pauses.</param>
    /// <param name="logger">Told when an owner is found and lost.</param>
    /// <param name="heard">Told who owns the pipelines, each time that it is heard; must not block.</param>
    public RemoteGateway(
        string model, GatewayRoute route, IAnswerSilos answers, TimeSpan recoveryTimeout, TimeProvider time, ILogger logger,
        Action<SiloProcess>? heard = null)
    {
        (this.route, this.recoveryTimeout, this.time, this.logger, this.heard) = (route, recoveryTimeout, time, logger, heard);
        status = new ClusterStatus { Epoch = 0, Model = model, Ready = false, MaxSequenceTokens = 0, Pipelines = [], Standby = [] };
        plan = new ClusterPlan { Epoch = 0, Model = model, Layers = 0, NeededBytes = 0, Pipelines = [], Standby = [], Drained = [], Refused = [] };
        Records = new AnswerKeepers(
            answers, () => report?.Silos ?? [], () => report is { Planned: true } ? null : Unavailable(), () => report?.Keeper, time);
        loops = Task.WhenAll(Task.Run(WatchAsync), Task.Run(AttachAsync));
    }

    /// <inheritdoc/>
    public IAnswerRecords Records { get; }

    /// <inheritdoc/>
    public GatewaySummary Summary => report?.Summary ?? new GatewaySummary(route.Unreachable() ?? reason, 0);

    /// <inheritdoc/>
    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        foreach (GeneratedToken token in request.ResumedTokens) yield return token;
        List<GeneratedToken> tokens = [.. request.ResumedTokens];
        long lost = time.GetTimestamp();
        bool resumed = request.IsResubmitted;
        string? fingerprint = route.Fingerprint();
        while (true)
        {
            Attachment attachment = await NextAsync(lost, cancellationToken).ConfigureAwait(false);
            if (attachment.Fingerprint != fingerprint)
                throw new GenerationException(GenerationError.Unavailable, "The cluster serves another model now.", TryAgain);
            Channel<Item> items = Channel.CreateUnbounded<Item>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
            int number = attachment.Add(items.Writer);
            bool whole = false;
            try
            {
                GenerationRequest rest = request with { ResumedTokens = [.. tokens], IsResubmitted = resumed };
                if (!await SubmitAsync(attachment, number, rest, cancellationToken).ConfigureAwait(false)) continue;
                while (await items.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    if (!items.Reader.TryRead(out Item item)) continue;
                    whole = item.Token?.Finish is not null || item.Fault is not null;
                    if (item.Fault is { } fault) throw fault;
                    tokens.Add(item.Token!);
                    yield return item.Token!;
                    if (whole) yield break;
                }
            }
            finally
            {
                attachment.Remove(number);
                if (!whole) Cancel(attachment, number);
            }

            (lost, resumed) = (time.GetTimestamp(), true);
        }
    }

    /// <inheritdoc/>
    public async Task<ClusterStatus> StatusAsync(CancellationToken cancellationToken)
    {
        if (await AskAsync(owner => owner.StatusAsync(cancellationToken)).ConfigureAwait(false) is { } text)
            return status = JsonSerializer.Deserialize(text, ClusterJson.Default.ClusterStatus)!;
        return status with { Ready = false, Reason = Summary.Reason ?? reason };
    }

    /// <inheritdoc/>
    public async Task<ClusterPlan> PlanAsync(CancellationToken cancellationToken) =>
        await AskAsync(owner => owner.PlanAsync(cancellationToken)).ConfigureAwait(false) is { } text
            ? plan = JsonSerializer.Deserialize(text, ClusterJson.Default.ClusterPlan)!
            : plan;

    /// <inheritdoc/>
    public Task DrainAsync(string silo, CancellationToken cancellationToken) =>
        ChangeAsync(new ClusterChange(ClusterChangeKind.Drain, silo), cancellationToken);

    /// <inheritdoc/>
    public Task TakeBackAsync(string silo, CancellationToken cancellationToken) =>
        ChangeAsync(new ClusterChange(ClusterChangeKind.TakeBack, silo), cancellationToken);

    /// <inheritdoc/>
    public Task RebalanceAsync(CancellationToken cancellationToken) =>
        ChangeAsync(new ClusterChange(ClusterChangeKind.Rebalance, null), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await loops.ConfigureAwait(false);
        stopping.Dispose();
    }

    private static TaskCompletionSource<Attachment> New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private GenerationException Unavailable() => new(
        GenerationError.Unavailable, Summary.Reason ?? "The gateway that owns the pipelines takes no requests.", TryAgain);

    private async Task ChangeAsync(ClusterChange change, CancellationToken cancellationToken)
    {
        ClusterChangeFault? fault;
        try
        {
            fault = await route.Grain().ChangeAsync(change, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failure is a value: whatever keeps the owner from answering.
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            throw new ClusterChangeException(ClusterChangeError.Unavailable, NoAnswer(e));
        }

        if (fault is not null) throw new ClusterChangeException(fault.Error, fault.Message);
    }

    /// <returns>The owner's answer; null when there is none.</returns>
    private async Task<string?> AskAsync(Func<IGatewayGrain, Task<string>> question)
    {
        try
        {
            return await question(route.Grain()).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failure is a value: whatever keeps the owner from answering.
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            reason = NoAnswer(e);
            return null;
        }
    }

    private string NoAnswer(Exception e) =>
        route.Unreachable() ?? $"The gateway that owns the pipelines does not answer: {Brief.Of(e)}";

    /// <summary>The attachment, waiting for one as long as a request may wait.</summary>
    private async Task<Attachment> NextAsync(long since, CancellationToken cancellationToken)
    {
        TimeSpan left = recoveryTimeout - time.GetElapsedTime(since);
        if (left <= TimeSpan.Zero) throw Unavailable();
        try
        {
            return await attached.Task.WaitAsync(left, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw Unavailable();
        }
    }

    private async Task<bool> SubmitAsync(
        Attachment attachment, int number, GenerationRequest request, CancellationToken cancellationToken)
    {
        try
        {
            if (await route.Grain().SubmitAsync(new Submission(attachment.Name, number, request), cancellationToken).ConfigureAwait(false)) return true;
        }
#pragma warning disable CA1031 // Whatever went wrong: the attachment tells whether the owner is there.
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            // It may have been taken all the same: the next attempt has another number, and this one is cancelled.
        }

        await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        return false;
    }

    private void Cancel(Attachment attachment, int number)
    {
        try
        {
            if (!attachment.IsOver) _ = route.Grain().CancelAsync(new SubmittedRequest(attachment.Name, number), CancellationToken.None);
        }
#pragma warning disable CA1031 // An owner that cannot be told ends the request with the attachment.
        catch (Exception)
#pragma warning restore CA1031
        {
            // Nobody to tell.
        }
    }

    /// <summary>Keeps <see cref="Summary"/> true.</summary>
    private async Task WatchAsync()
    {
        using var ticks = new PeriodicTimer(ReportInterval, time);
        try
        {
            do
            {
                try
                {
                    using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
                    deadline.CancelAfter(LongestSilence);
                    GatewayReport latest = await route.Grain().ReportAsync(deadline.Token).WaitAsync(deadline.Token).ConfigureAwait(false);
                    if (latest.Owner != report?.Owner) Log.Found(logger, latest.Owner.Name);
                    report = latest;
                    heard?.Invoke(latest.Owner);
                }
#pragma warning disable CA1031 // A failure is a value: it is tried again.
                catch (Exception e)
#pragma warning restore CA1031
                {
                    if (report is null) continue;
                    reason = NoAnswer(e);
                    if (report is { } last) report = last with { Summary = last.Summary with { Reason = reason } };
                }
            }
            while (await ticks.WaitForNextTickAsync(stopping.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // The process stops.
        }
    }

    /// <summary>Keeps an attachment to the present owner.</summary>
    private async Task AttachAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            Attachment? attachment = null;
            try
            {
                attachment = new Attachment(Guid.NewGuid(), route.Fingerprint());
                await ReadAsync(attachment).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // A failure is a value: it is tried again.
            catch (Exception e)
#pragma warning restore CA1031
            {
                if (attachment is { WasOpen: true } && !stopping.IsCancellationRequested) Log.Lost(logger, Brief.Of(e));
            }

            if (attached.Task.IsCompleted) attached = New();
            attachment?.End();
            await Task.Delay(Pause, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        attached.TrySetException(new GenerationException(GenerationError.Unavailable, "The gateway stops."));
    }

    private async Task ReadAsync(Attachment attachment)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        IAsyncEnumerator<TokenBatch> batches = route.Grain().AttachAsync(new FrontAttachment(attachment.Name, attachment.Fingerprint), silence.Token)
            .GetAsyncEnumerator(silence.Token);
        try
        {
            // An owner that hangs keeps the enumeration from ending, too.
            while (await batches.MoveNextAsync().AsTask().WaitAsync(LongestSilence, time, stopping.Token).ConfigureAwait(false))
            {
                if (!attachment.WasOpen)
                {
                    attachment.WasOpen = true;
                    attached.TrySetResult(attachment);
                }

                attachment.Distribute(batches.Current.Items.Span);
            }
        }
        finally
        {
            await silence.CancelAsync().ConfigureAwait(false);
            _ = EndAsync(batches);
        }
    }

    private static async Task EndAsync(IAsyncEnumerator<TokenBatch> batches)
    {
        try
        {
            await batches.DisposeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Nobody waits for it; an owner that is gone has nothing to end.
        catch (Exception)
#pragma warning restore CA1031
        {
            // It is over either way.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "The gateway {Silo} owns the pipelines")]
        public static partial void Found(ILogger logger, string silo);

        [LoggerMessage(2, LogLevel.Warning, "The tokens of the gateway that owns the pipelines have ceased; requests are submitted again: {Reason}")]
        public static partial void Lost(ILogger logger, string reason);
    }

    private readonly record struct Item(GeneratedToken? Token, GenerationException? Fault);

    /// <summary>One enumeration of batches, and who waits for what is in them.</summary>
    private sealed class Attachment(Guid name, string? fingerprint)
    {
        private readonly ConcurrentDictionary<int, ChannelWriter<Item>> requests = new();
        private int last;
        private volatile bool over;

        public Guid Name => name;

        /// <summary>Of the model whose tokens are submitted.</summary>
        public string? Fingerprint => fingerprint;

        /// <summary>Whether a batch has come.</summary>
        public bool WasOpen { get; set; }

        public bool IsOver => over;

        public int Add(ChannelWriter<Item> writer)
        {
            int number = Interlocked.Increment(ref last);
            requests[number] = writer;
            if (over) writer.TryComplete();
            return number;
        }

        public void Remove(int number) => requests.TryRemove(number, out _);

        public void Distribute(ReadOnlySpan<byte> items)
        {
            while (!items.IsEmpty)
            {
                GeneratedToken? token = TokenBatchCodec.Read(ref items, out int number, out GenerationException? fault);
                if (requests.TryGetValue(number, out ChannelWriter<Item>? writer)) writer.TryWrite(new Item(token, fault));
            }
        }

        /// <summary>Has every request that waits look for the next attachment.</summary>
        public void End()
        {
            over = true;
            foreach (ChannelWriter<Item> writer in requests.Values) writer.TryComplete();
        }
    }
}
