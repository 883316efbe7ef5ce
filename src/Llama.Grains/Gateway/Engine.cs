using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Llama.Grains.Generation;
using Llama.Grains.Links;
using Llama.Grains.Scheduling;
using Llama.Model;
using Llama.Model.Grammars;
using Llama.Model.Layers;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// Runs a <see cref="Scheduler"/>, which owns one replica's sequences: a single loop takes messages from a mailbox (requests, cancellations,
/// results, pipelines that come and go), and after each batch of them sends the steps that it makes.
/// </summary>
internal sealed partial class Engine : IAsyncDisposable
{
    /// <summary>The cause of a loss of which only the end was seen, as when the next pipeline comes first.</summary>
    private const string Replaced = "Another pipeline took its place.";

    private static readonly TimeSpan TickInterval = TimeSpan.FromSeconds(0.25);

    private readonly Scheduler scheduler;
    private readonly ILogger logger;

    /// <summary>
    /// Holds a few messages for each live sequence, of which <see cref="SchedulerLimits.MaxWaiting"/> and the blocks bound the number. Who posts
    /// one while the loop waits runs the loop: the thread that has read a result sends the next step.
    /// </summary>
    private readonly Channel<Message> mailbox = Channel.CreateUnbounded<Message>(
        new UnboundedChannelOptions { SingleReader = true, AllowSynchronousContinuations = true });

    private readonly ITimer ticker;
    private readonly Task loop;
    private IPipeline? pipeline;
    private bool verified;
    private long lastArrival;

    /// <summary>Starts with no pipeline.</summary>
    public Engine(ModelConfig config, SchedulerLimits limits, TimeProvider time, ILogger logger)
    {
        scheduler = new Scheduler(config, limits, time);
        this.logger = logger;
        loop = Task.Run(RunAsync);
        ticker = time.CreateTimer(_ => Post(Tick), null, TickInterval, TickInterval);
    }

    /// <summary>What its scheduler has and has done since the gateway started.</summary>
    public SchedulerCounts Counts { get; private set; }

    /// <summary>The measured time of a step that only decodes at the slowest stage, in seconds; 0 before there is one.</summary>
    public double DecodeSeconds { get; private set; }

    /// <summary>The measured time that a prompt's token adds to a step at the slowest stage, in seconds; 0 before there is one.</summary>
    public double PromptTokenSeconds { get; private set; }

    /// <summary>Generates tokens; see <see cref="IGateway.GenerateAsync"/>.</summary>
    /// <param name="request">The request, checked.</param>
    /// <param name="maxTokens">Length in tokens, prompt included, at which it ends.</param>
    /// <param name="matcher">Follows its grammar, behind the resumed tokens; null for free text.</param>
    /// <param name="cancellationToken">Ends the sequence.</param>
    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
        GenerationRequest request, int maxTokens, GrammarMatcher? matcher, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var stream = new TokenStream();
        var sequence = new Sequence(request, Interlocked.Increment(ref lastArrival), maxTokens, stream, matcher);
        try
        {
            if (!Post(() => scheduler.Submit(sequence))) throw new GenerationException(GenerationError.Unavailable, "The gateway stops.");
            await foreach (GeneratedToken token in stream.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return token;
        }
        finally
        {
            Post(() => scheduler.Cancel(sequence));
        }
    }

    /// <summary>Tokens at the beginning of a prompt that would not have to be computed.</summary>
    public Task<int> CachedTokensAsync(int[] prompt, string? salt)
    {
        var answer = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        return Post(() => answer.SetResult(scheduler.CachedTokens(prompt, salt))) ? answer.Task : Task.FromResult(0);
    }

    /// <summary>What is of use of the lost pipeline's blocks in the next one; see <see cref="Scheduler.Fit"/>.</summary>
    public Task<HeldBlocks> FitAsync(int kvBlocks)
    {
        var answer = new TaskCompletionSource<HeldBlocks>(TaskCreationOptions.RunContinuationsAsynchronously);
        return Post(() =>
        {
            // The caller has seen the end of the pipeline before, if there was one.
            Detach(pipeline, Replaced);
            answer.SetResult(scheduler.Fit(kvBlocks));
        }) ? answer.Task : Task.FromResult(default(HeldBlocks));
    }

    /// <summary>Gives it a pipeline.</summary>
    public void Attach(IPipeline next) => Post(() =>
    {
        Detach(pipeline, Replaced);
        pipeline = next;
        scheduler.Attach(next.Stages, next.KvBlocks, next.MaxStepTokens, next.Epoch, next.RepeatsShapes, next.LostLayers, next.Carried);
        next.Start(
            result => mailbox.Writer.TryWrite(new Message(null, next, result)),
            reason => Post(() => Detach(next, reason)));
    });

    /// <summary>Ends every sequence.</summary>
    public async ValueTask DisposeAsync()
    {
        await ticker.DisposeAsync().ConfigureAwait(false);
        mailbox.Writer.TryComplete();
        await loop.ConfigureAwait(false);
    }

    private bool Post(Action action) => mailbox.Writer.TryWrite(new Message(action, null, default));

    private async Task RunAsync()
    {
        while (await mailbox.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            try
            {
                while (mailbox.Reader.TryRead(out Message message)) Take(message);
                while (pipeline is not null && scheduler.NextStep() is { } step)
                {
                    verified = false;
                    EngineInstruments.Sent(step);
                    pipeline.Send(step);
                }
            }
#pragma warning disable CA1031 // A failure is a value: the sequences get it, and the loop serves the next ones.
            catch (Exception e)
#pragma warning restore CA1031
            {
                Log.Failed(logger, e);

                // First the pipeline: without it there are no blocks whose records could be wrong, too.
                FailPipeline($"The scheduler failed: {e.Message}");
                scheduler.EndAll($"The scheduler failed: {e.Message}");
            }

            Counts = scheduler.Counts;
            (DecodeSeconds, PromptTokenSeconds) = (scheduler.DecodeSeconds, scheduler.PromptTokenSeconds);
        }

        scheduler.EndAll("The gateway stops.");
    }

    private void Take(Message message)
    {
        if (message.Action is { } action) action();
        else Complete(message.Source!, message.Result);
    }

    private void Complete(IPipeline source, StepResult result)
    {
        using SampledTokens sampled = result.Sampled;
        if (source != pipeline) return;
        if (scheduler.Complete(result) is { } fault)
        {
            Detach(source, fault);
            source.Reject(fault);
        }
        else if (scheduler.TakeRecovery() is { } recovery)
        {
            EngineInstruments.Recovered(recovery);
            Log.Recovered(
                logger, source.Epoch, recovery.Sequences, recovery.Time.TotalSeconds, recovery.Rebuilt, recovery.Layers.First,
                recovery.Layers.End, recovery.Recomputed);
        }
    }

    private void Detach(IPipeline? lost, string cause)
    {
        if (lost is null || lost != pipeline) return;
        pipeline = null;
        scheduler.Detach(cause, blameless: lost.Retired);
    }

    private void FailPipeline(string reason)
    {
        IPipeline? broken = pipeline;
        Detach(broken, reason);
        scheduler.ForgetBlocks();
        broken?.Fail(reason);
    }

    private void Tick()
    {
        scheduler.Expire();
        if (verified || !scheduler.IsIdle) return;
        verified = true;
        if (scheduler.FindFault() is not { } fault) return;
        Log.Contradiction(logger, fault);
        FailPipeline($"The scheduler's records contradict each other: {fault}");
    }

    private static partial class Log
    {
        [LoggerMessage(10, LogLevel.Information,
            "Epoch {Epoch}: {Sequences} sequences go on {Seconds:0.00} s after the loss; {Rebuilt} positions were computed again in layers"
            + " {First} to {End} only, {Recomputed} in all layers")]
        public static partial void Recovered(
            ILogger logger, ulong epoch, int sequences, double seconds, int rebuilt, int first, int end, int recomputed);

        [LoggerMessage(11, LogLevel.Error, "The scheduler failed; its sequences have ended")]
        public static partial void Failed(ILogger logger, Exception exception);

        [LoggerMessage(12, LogLevel.Error, "The scheduler's records contradict each other, and the pipeline is made anew: {Fault}")]
        public static partial void Contradiction(ILogger logger, string fault);
    }

    /// <summary>Something to do, or the result of a step; without an object for each result.</summary>
    private readonly record struct Message(Action? Action, IPipeline? Source, StepResult Result);

    /// <summary>What a client reads. It holds at most as many tokens as the sequence may generate.</summary>
    private sealed class TokenStream : ISequenceClient
    {
        private readonly Channel<GeneratedToken> tokens =
            Channel.CreateUnbounded<GeneratedToken>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

        public ChannelReader<GeneratedToken> Reader => tokens.Reader;

        public void Next(GeneratedToken token) => tokens.Writer.TryWrite(token);

        public void End(GenerationException? fault) => tokens.Writer.TryComplete(fault);
    }
}
