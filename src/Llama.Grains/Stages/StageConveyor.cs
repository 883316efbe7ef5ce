using System.Text;
using System.Threading.Channels;
using Llama.Grains.Links;
using Llama.Model.Layers;

namespace Llama.Grains.Stages;

/// <summary>
/// Moves the steps of one epoch through one stage: a link brings them in, the range computes them in order, a link takes the hidden
/// states to the next stage or the results to the gateway. Receiving, computing and sending overlap. Whatever fails ends the
/// conveyor: its links close, which the neighbours see at once, and a sentence why goes down to the gateway.
/// </summary>
public sealed class StageConveyor : IAsyncDisposable
{
    private const int StepsUnderWay = 64;

    private readonly ILayerRange range;
    private readonly StageAssignment assignment;
    private readonly LinkIdentity self;
    private readonly CancellationTokenSource ending = new();
    private readonly TaskCompletionSource<Stream> resultLink = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<(Step Step, byte[] Encoded, Task<StepOutput> Output)> computing =
        Channel.CreateBounded<(Step, byte[], Task<StepOutput>)>(new BoundedChannelOptions(StepsUnderWay) { SingleReader = true, SingleWriter = true });

    private readonly Task sending;
    private Task receiving = Task.CompletedTask;
    private int hasSource;

    /// <summary>Starts a conveyor; links are brought to it by <see cref="ReceiveAsync"/> and <see cref="ReturnResultsAsync"/>.</summary>
    /// <param name="range">The loaded range.</param>
    /// <param name="assignment">The stage's place.</param>
    /// <param name="self">This process.</param>
    public StageConveyor(ILayerRange range, StageAssignment assignment, LinkIdentity self)
    {
        ArgumentNullException.ThrowIfNull(assignment);
        this.range = range;
        this.assignment = assignment;
        this.self = self;
        sending = Task.Run(SendAsync);
    }

    /// <summary>The plan that it belongs to.</summary>
    public ulong Epoch => assignment.Epoch;

    private bool IsLast => assignment.NextAddress is null;

    /// <summary>Takes steps from the stage before, or the gateway, until the link or the epoch ends. One such link at a time.</summary>
    /// <exception cref="LinkException">The stage has a link that brings steps already, or this one breaks the protocol.</exception>
    public Task ReceiveAsync(Stream stream, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref hasSource, 1) == 1) throw new LinkException("The stage is fed by another link already.");
        return receiving = ReceiveStepsAsync(stream, cancellationToken);
    }

    /// <summary>Sends results into a link that the gateway opened, until the link or the epoch ends. Only the last stage has results.</summary>
    /// <exception cref="LinkException">The stage is not the last, or has such a link already.</exception>
    public async Task ReturnResultsAsync(Stream stream, CancellationToken cancellationToken)
    {
        if (!IsLast || !resultLink.TrySetResult(stream)) throw new LinkException("The stage has no results for this link.");
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);

        // The gateway never speaks on this link; a read that ends means that it is gone.
        Task<int> gone = stream.ReadAsync(new byte[1], ended.Token).AsTask();
        await Task.WhenAny(gone, sending).ConfigureAwait(false);
        await ending.CancelAsync().ConfigureAwait(false);
        await ((Task)gone).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Ends the epoch: returns when no step of it runs any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        await receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        computing.Writer.TryComplete();
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (computing.Reader.TryRead(out (Step Step, byte[] Encoded, Task<StepOutput> Output) step))
        {
            await ((Task)step.Output).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (step.Output.IsCompletedSuccessfully) step.Output.Result.HiddenStates?.Dispose();
        }
    }

    private async Task ReceiveStepsAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
        try
        {
            byte[] scratch = new byte[Frames.HeaderBytes + StepCodec.HeaderBytes];
            while (true)
            {
                (FrameKind kind, int bytes) = await Frames.ReadHeaderAsync(stream, scratch, int.MaxValue, ended.Token).ConfigureAwait(false);
                if (kind == FrameKind.Failure)
                {
                    byte[] reason = new byte[Math.Min(bytes, Frames.MaxControlBytes)];
                    await stream.ReadExactlyAsync(reason, ended.Token).ConfigureAwait(false);
                    throw new StageException(Encoding.UTF8.GetString(reason));
                }

                Frames.Expect(kind, FrameKind.Step, []);
                await ReadStepAsync(stream, bytes, scratch, ended.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            // The reason goes to whoever waits downstream; without its source the stage has nothing more to do.
            computing.Writer.TryComplete(e);
            throw;
        }
    }

    private async Task ReadStepAsync(Stream stream, int frameBytes, byte[] scratch, CancellationToken cancellationToken)
    {
        Memory<byte> header = scratch.AsMemory(0, StepCodec.HeaderBytes);
        await stream.ReadExactlyAsync(header, cancellationToken).ConfigureAwait(false);
        int stepBytes = StepCodec.ReadLength(header.Span, out int tokens);
        byte[] encoded = new byte[stepBytes];
        header.CopyTo(encoded);
        await stream.ReadExactlyAsync(encoded.AsMemory(StepCodec.HeaderBytes), cancellationToken).ConfigureAwait(false);
        var step = new Step();
        StepCodec.Read(encoded, step);
        if (step.Epoch != Epoch) throw new LinkException($"A step of epoch {step.Epoch} came; expected epoch {Epoch}.");

        HiddenStates hidden = range.RentHiddenStates(tokens);
        try
        {
            int hiddenBytes = assignment.FirstLayer == 0 ? 0 : hidden.Bytes.Length;
            if (frameBytes != stepBytes + hiddenBytes)
                throw new LinkException($"A step of {tokens} tokens has {frameBytes - stepBytes} bytes of hidden states; expected {hiddenBytes}.");
            await stream.ReadExactlyAsync(hidden.Bytes[..hiddenBytes], cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            hidden.Dispose();
            throw;
        }

        Task<StepOutput> output = range.RunAsync(step, hidden, ending.Token);
        await computing.Writer.WriteAsync((step, encoded, output), cancellationToken).ConfigureAwait(false);
    }

    private async Task SendAsync()
    {
        Stream? stream = null;
        string? failure = null;
        try
        {
            await foreach ((Step step, byte[] encoded, Task<StepOutput> pending) in computing.Reader.ReadAllAsync(ending.Token).ConfigureAwait(false))
            {
                StepOutput output = await pending.ConfigureAwait(false);
                try
                {
                    stream ??= await OpenAsync().ConfigureAwait(false);
                    await ForwardAsync(stream, step, encoded, output).ConfigureAwait(false);
                }
                finally
                {
                    output.HiddenStates?.Dispose();
                }
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // The epoch is over.
        }
#pragma warning disable CA1031 // A failure is a value: it is told downstream.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = e is StageException ? e.Message : $"Layers {assignment.FirstLayer} to {assignment.EndLayer - 1} on {self.Name}: {e.Message}";
        }

        if (failure is not null) await TellAsync(stream, failure).ConfigureAwait(false);
        await ending.CancelAsync().ConfigureAwait(false);
        if (!IsLast && stream is not null) await stream.DisposeAsync().ConfigureAwait(false);
    }

    private Task<Stream> OpenAsync() => IsLast
        ? resultLink.Task.WaitAsync(Handshake.Deadline, ending.Token)
        : Dialler.DialAsync(
            assignment.NextAddress!, self, new LinkTarget(LinkPurpose.Steps, assignment.Epoch), ending.Token);

    private async Task ForwardAsync(Stream stream, Step step, byte[] encoded, StepOutput output)
    {
        if (output.Drawn is { } drawn)
        {
            byte[] result = ResultCodec.Write(new StepResult(step.Epoch, step.Number, drawn));
            await Frames.SendAsync(stream, FrameKind.Result, result, ending.Token).ConfigureAwait(false);
            return;
        }

        ReadOnlyMemory<byte> hidden = output.HiddenStates!.Bytes;
        byte[] head = new byte[Frames.HeaderBytes + encoded.Length];
        Frames.WriteHeader(head, FrameKind.Step, encoded.Length + hidden.Length);
        encoded.CopyTo(head, Frames.HeaderBytes);
        await stream.WriteAsync(head, ending.Token).ConfigureAwait(false);
        await stream.WriteAsync(hidden, ending.Token).ConfigureAwait(false);
    }

    private async Task TellAsync(Stream? stream, string failure)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
            deadline.CancelAfter(Handshake.Deadline);
            stream ??= await OpenAsync().WaitAsync(deadline.Token).ConfigureAwait(false);
            await Frames.SendAsync(stream, FrameKind.Failure, Encoding.UTF8.GetBytes(failure), deadline.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or TimeoutException)
        {
            // Nobody left to tell; the closed links tell enough.
        }
    }
}

/// <summary>A stage before this one failed; the message is its own.</summary>
public sealed class StageException : Exception
{
    /// <summary>A stage failed.</summary>
    /// <param name="message">What it said.</param>
    public StageException(string message)
        : base(message)
    {
    }
}
