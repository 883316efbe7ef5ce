using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Llama.Grains.Generation;
using Llama.Grains.Silos;
using Llama.Grains.Answers;
using Llama.Grains.Scheduling;
using Llama.Grains.Stages;
using Llama.Grains.Telemetry;
using Llama.Model.Grammars;
using Llama.Model.Layers;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// Owns the pipelines and every sequence that runs in them, while this process is to: checks requests, sends each to a replica, and knows
/// what is where. It outlives the grains that are its shells.
/// </summary>
public sealed class LocalGateway : IGateway, IAsyncDisposable
{
    private readonly ClusterSettings settings;
    private readonly List<Replica> replicas = [];
    private readonly ClusterController controller;
    private readonly ReplicaChooser chooser = new();
    private readonly PlanExplanation explanation;
    private readonly PipelinePlanner planner;
    private readonly AnswerKeepers records;
    private readonly Lock choosing = new();
    private volatile GatewaySummary summary = new(null, 0);
    private int disposed;

    /// <summary>Plans pipelines of the silos, once <see cref="Own"/> has been called.</summary>
    public LocalGateway(ClusterSettings settings, ISilos silos, IAnswerSilos answers, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(settings);
        this.settings = settings;
        for (int i = 0; i < settings.Replicas; i++)
            replicas.Add(new Replica(i, new Engine(settings.Config, settings.Limits, time, logger), time.GetTimestamp()));
        planner = new PipelinePlanner(settings);
        explanation = new PlanExplanation(settings, planner);
        controller = new ClusterController(settings, silos, planner, replicas, time, logger);
        records = new AnswerKeepers(
            answers, () => Silos, () => HasPlanned ? null : NotPlanned(replicas[0]), () => Keeper, time);
        _ = new GatewayMeter(Meter, replicas, controller, () => Summary.Ready, () => Standby.Count());
    }

    /// <inheritdoc/>
    public IAnswerRecords Records => records;

    /// <summary>Tells how the pipelines are.</summary>
    internal Meter Meter { get; } = new(Instruments.Name);

    /// <summary>Fingerprint of the model's configuration.</summary>
    internal string Fingerprint => settings.Identity.Model.Fingerprint;

    /// <summary>Whether this process owns the pipelines.</summary>
    public bool Owns => controller.Owns;

    /// <inheritdoc/>
    public GatewaySummary Summary
    {
        get
        {
            // Requests ask for it several times, and it rarely changes.
            var now = (Reason: replicas.Exists(replica => replica.IsReady) ? null : replicas[0].Reason, MaxSequenceTokens);
            GatewaySummary last = summary;
            return (last.Reason, last.MaxSequenceTokens) == now ? last : summary = new GatewaySummary(now.Reason, now.MaxSequenceTokens);
        }
    }

    /// <summary>What is where.</summary>
    public ClusterStatus Status => new()
    {
        Epoch = controller.Epoch,
        Model = settings.ModelName,
        Ready = Summary.Ready,
        Reason = Summary.Reason,
        MaxSequenceTokens = MaxSequenceTokens,
        Pipelines = [.. replicas.Select(Describe)],
        Standby = [.. Standby.Select(silo => silo.Name)],
        Drained = [.. controller.Drained.Select(silo => silo.Name)],
    };

    /// <summary>What the plan was made from.</summary>
    public ClusterPlan Plan => new()
    {
        Epoch = controller.Epoch,
        Model = settings.ModelName,
        Layers = settings.Config.Layers,
        NeededBytes = planner.ModelBytes(controller.Silos),
        Pipelines = [.. replicas.Select(explanation.Of)],
        Standby = [.. Standby.Select(PlanExplanation.Of)],
        Drained = [.. controller.Drained.Select(PlanExplanation.Of)],
        Refused = controller.Refused,
    };

    /// <summary>The silo that keeps answers at present, the one with the first layers; null while there is none.</summary>
    private SiloProcess? Keeper => replicas.Find(replica => replica.IsReady)?.Pipeline?.Plan[0].Member is { } silo ? Process(silo) : null;

    /// <summary>What other gateway processes are told.</summary>
    /// <param name="self">This process.</param>
    internal GatewayReport Report(SiloProcess self) => new(self, Summary, Keeper, Silos, HasPlanned);

    /// <summary>The silos that are planned with.</summary>
    private IReadOnlyList<SiloProcess> Silos => [.. controller.Silos.Select(Process)];

    private bool HasPlanned => controller.Epoch > 0 && controller.Owns;

    private IEnumerable<Member> Standby =>
        controller.Silos.Except(controller.Drained).Where(silo => !replicas.Exists(replica => replica.Uses(silo)));

    private int MaxSequenceTokens
    {
        get
        {
            int most = 0;
            foreach (Replica replica in replicas)
            {
                if (replica.Pipeline is { Ready: true } pipeline) most = Math.Max(most, planner.Tokens(pipeline.KvBlocks));
            }

            return most > 0 ? most : settings.Config.ContextLength;
        }
    }

    /// <summary>Has this process own the pipelines from now on.</summary>
    public void Own() => controller.Own();

    /// <summary>Has this process leave the pipelines to another.</summary>
    /// <param name="reason">Who owns them, in a sentence.</param>
    public void Leave(string reason) => controller.Leave(reason);

    /// <inheritdoc/>
    public Task<ClusterStatus> StatusAsync(CancellationToken cancellationToken) => Task.FromResult(Status);

    /// <inheritdoc/>
    public Task<ClusterPlan> PlanAsync(CancellationToken cancellationToken) => Task.FromResult(Plan);

    /// <inheritdoc/>
    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int limit = MaxSequenceTokens;
        Check(request, limit);
        GrammarMatcher? matcher = request.Grammar is { } grammar
            ? await Task.Run(() => Begin(grammar, request), cancellationToken).ConfigureAwait(false)
            : null;
        int maxTokens = request.Pooling is null
            ? (int)Math.Min(limit, request.PromptTokens.Count + (long)(request.MaxTokens ?? limit))
            : request.PromptTokens.Count;
        Replica replica = await ChooseAsync(request).ConfigureAwait(false);
        try
        {
            if (replica.Pipeline is null && !HasPlanned && !request.IsResubmitted) throw NotPlanned(replica);
            await foreach (GeneratedToken token in replica.Engine.GenerateAsync(request, maxTokens, matcher, cancellationToken).ConfigureAwait(false))
                yield return token;
        }
        finally
        {
            lock (choosing) replica.Requests--;
        }
    }

    /// <inheritdoc/>
    public Task DrainAsync(string silo, CancellationToken cancellationToken) => controller.Changes.DrainAsync(silo, cancellationToken);

    /// <inheritdoc/>
    public Task TakeBackAsync(string silo, CancellationToken cancellationToken) => controller.Changes.TakeBackAsync(silo, cancellationToken);

    /// <inheritdoc/>
    public Task RebalanceAsync(CancellationToken cancellationToken) => controller.Changes.RebalanceAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        Meter.Dispose();
        await controller.DisposeAsync().ConfigureAwait(false);
        foreach (Replica replica in replicas) await replica.Engine.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Chooses a replica and counts the request there, both at once: requests that come together see each other.</summary>
    private async Task<Replica> ChooseAsync(GenerationRequest request)
    {
        int[] cached = new int[replicas.Count];
        if (replicas.Count > 1)
        {
            int[] prompt = [.. request.PromptTokens];
            cached = await Task.WhenAll(replicas.Select(r => r.Engine.CachedTokensAsync(prompt, request.CacheSalt))).ConfigureAwait(false);
        }

        lock (choosing)
        {
            Replica replica = replicas[chooser.Choose(
                request.Session, [.. replicas.Select((r, i) => new ReplicaLoad(r.IsReady, r.Requests, cached[i]))])];
            replica.Requests++;
            return replica;
        }
    }

    /// <summary>Makes a grammar, which may take so long that no caller's turn should wait.</summary>
    private GrammarMatcher Begin(AnswerGrammar grammar, GenerationRequest request)
    {
        try
        {
            return settings.Grammars.Begin(grammar, request.StopTokens, request.ResumedTokens);
        }
        catch (GrammarException exception)
        {
            throw Invalid(exception.Message);
        }
    }

    private static SiloProcess Process(Member silo) => new(silo.Name, silo.Instance);

    private static GenerationException NotPlanned(Replica replica) =>
        new(GenerationError.Unavailable, replica.Reason, TimeSpan.FromSeconds(2));

    private static PipelineStatus Describe(Replica replica)
    {
        SchedulerCounts counts = replica.Engine.Counts;
        return new PipelineStatus
        {
            Replica = replica.Number,
            Stages = replica.Pipeline is not { } pipeline ? [] :
            [
                .. pipeline.Plan.Select((stage, i) => new StageStatus
                {
                    Silo = stage.Member.Name,
                    Address = stage.Member.Address,
                    ProcessId = stage.Member.ProcessId,
                    Layers = [stage.Span.First, stage.Span.End],
                    WeightBytes = pipeline.WeightBytes[i],
                    State = pipeline.Lost.IsCompleted ? "lost" : pipeline.Ready ? "ready" : "loading",
                }),
            ],
            Profile = replica.Pipeline?.Plan[0].Member.Profile,
            Running = counts.Running,
            Waiting = counts.Waiting,
            Blocks = replica.Pipeline is { Ready: true } ready ? ready.KvBlocks : 0,
            FreeBlocks = counts.FreeBlocks,
            SampledTokens = counts.SampledTokens,
        };
    }

    private void Check(GenerationRequest request, int limit)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.PromptTokens.Count == 0) throw Invalid("The prompt is empty; expected at least one token.");
        if (request.PromptTokens.Count >= limit + (request.Pooling is null ? 0 : 1))
            throw Invalid(
                $"The prompt has {request.PromptTokens.Count} tokens; expected {(request.Pooling is null ? "fewer than" : "at most")} {limit}.");
        foreach (int token in request.PromptTokens)
        {
            if ((uint)token >= (uint)settings.Config.VocabSize)
                throw Invalid($"The prompt has token {token}; expected 0 to {settings.Config.VocabSize - 1}.");
        }

        if (request.ResumedTokens.Count > 0 && (request.ResumedTokens.Count >= request.MaxTokens
            || request.PromptTokens.Count + request.ResumedTokens.Count >= settings.Config.ContextLength))
        {
            throw Invalid($"{request.ResumedTokens.Count} tokens behind a prompt of {request.PromptTokens.Count} are resumed; expected fewer than"
                + $" {request.MaxTokens} in a context of {settings.Config.ContextLength}.");
        }

        foreach (GeneratedToken resumed in request.ResumedTokens)
        {
            if ((uint)resumed.Sampled.Token >= (uint)settings.Config.VocabSize || resumed.Finish is not null)
            {
                throw Invalid(
                    $"Token {resumed.Sampled.Token} is resumed with finish '{resumed.Finish}'; expected one that others follow.");
            }
        }

        if (request.MaxTokens < 1) throw Invalid($"The limit is {request.MaxTokens} tokens; expected at least 1.");
        if (request.Timeout <= TimeSpan.Zero) throw Invalid($"The timeout is {request.Timeout}; expected more than nothing.");
        if (request.TopLogprobs is < 0 or > Step.MaxTopLogprobs)
            throw Invalid($"{request.TopLogprobs} topLogprobs were asked for; expected 0 to {Step.MaxTopLogprobs}.");
        if (request.PromptLogprobs is < 0 or > Step.MaxTopLogprobs)
            throw Invalid($"{request.PromptLogprobs} top logprobs of the prompt were asked for; expected 0 to {Step.MaxTopLogprobs}.");
        if (request.PromptLogprobs is { } top && request.PromptTokens.Count * (1L + top) > GenerationRequest.MostPromptLogprobs)
        {
            throw Invalid(
                $"{request.PromptTokens.Count} tokens of a prompt with {top} top logprobs each were asked for; expected at most"
                + $" {GenerationRequest.MostPromptLogprobs} log-probabilities.");
        }

        if (!(request.Sampling is { Temperature: >= 0 and < 1000, TopP: > 0, MinP: >= 0 and <= 1, TopK: >= 0 }))
            throw Invalid($"The sampling parameters are out of bounds: {request.Sampling}.");
        if (request.StopTokens.Any(token => (uint)token >= (uint)settings.Config.VocabSize))
            throw Invalid($"A token of {settings.Config.VocabSize} or more is to end the answer; expected one of the vocabulary.");
        if (request.Rules?.FindFault(settings.Config.VocabSize) is { } fault) throw Invalid(fault);
    }

    private static GenerationException Invalid(string message) => new(GenerationError.Invalid, message);
}
