using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama.Grains.Gateway;
using Llama.Grains.Answers;
using Llama.Grains.Generation;
using Llama.Model.Kernels;
using Llama.Model.Sampling;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>A gateway grain whose tokens a test decides; it keeps the requests and counts how they ended.</summary>
internal sealed class ScriptedGrain : IGateway, IDisposable
{
    private static readonly MachineRates Rates = new(9e9, 5e10);

    private readonly SemaphoreSlim ended = new(0);
    private int sampled;

    public ConcurrentQueue<GenerationRequest> Requests { get; } = new();

    /// <summary>The tokens for a request; end tokens have id <see cref="TestTokenizer.End"/>.</summary>
    public Func<GenerationRequest, IEnumerable<int>> Script { get; set; } = _ => ['H', 'e', 'l', 'l', 'o', '.', TestTokenizer.End];

    /// <summary>Runs before each token.</summary>
    public Func<int, CancellationToken, Task> BeforeToken { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Runs before each token of a request, too.</summary>
    public Func<GenerationRequest, int, CancellationToken, Task> BeforeTokenOf { get; set; } = (_, _, _) => Task.CompletedTask;

    /// <summary>The alternatives that are reported with a token.</summary>
    public Func<int, IReadOnlyList<TokenLogprob>> TopLogprobs { get; set; } = _ => [];

    /// <summary>The log-probability of a request's tokens.</summary>
    public Func<GenerationRequest, float> LogProbability { get; set; } = _ => -0.5f;

    /// <summary>How many of a prompt's tokens were cached.</summary>
    public Func<GenerationRequest, int> CachedTokens { get; set; } = _ => 0;

    /// <summary>What is told of a request's prompt.</summary>
    public Func<GenerationRequest, ReadOnlyMemory<byte>> Prompt { get; set; } = ToldPrompt;

    public int Cancelled { get; private set; }

    /// <summary>Tokens that were made, those that a request knew before not counted.</summary>
    public int Sampled => sampled;

    /// <summary>What silos keep; by default nobody keeps anything.</summary>
    public IAnswerRecords Records { get; set; } = new StoredRecords { Keeper = null };

    public ClusterStatus Status { get; set; } = new()
    {
        Epoch = 1,
        Model = "test-model",
        Ready = true,
        MaxSequenceTokens = 64,
        Standby = ["silo-3"],
        Pipelines =
        [
            new PipelineStatus
            {
                Replica = 0,
                Running = 0,
                Waiting = 0,
                Blocks = 4096,
                FreeBlocks = 4096,
                SampledTokens = 12345,
                Stages =
                [
                    Stage("silo-1", port: 40001, processId: 4711, [0, 4], weightBytes: 1843200),
                    Stage("silo-2", port: 40002, processId: 4712, [4, 8], weightBytes: 1900544),
                ],
            },
        ],
    };

    public ClusterPlan Plan { get; } = new()
    {
        Epoch = 1,
        Model = "test-model",
        Layers = 8,
        NeededBytes = 4000000,
        Pipelines =
        [
            new PlannedPipeline
            {
                Replica = 0,
                CutBy = "planner",
                SpeedFrom = "start",
                KvBlocks = 12,
                SlowestStage = "silo-1",
                PredictedDecodeSeconds = 0.25,
                IdealDecodeSeconds = 0.25,
                MeasuredDecodeSeconds = 0.5,
                Stages =
                [
                    new ExplainedStage
                    {
                        Silo = "silo-1",
                        Layers = [0, 8],
                        Threads = 2,
                        MeasuredRates = Rates,
                        PlannedRates = Rates with { BytesPerSecond = 8e9 },
                        MemoryBytes = 9000000,
                        WeightBytes = 3000000,
                        KvBytes = 500000,
                        LogBytes = 0,
                        ActivationBytes = 1000,
                        PredictedDecodeSeconds = 0.25,
                        PredictedPromptTokenSeconds = 0.125,
                        MeasuredLayerSeconds = 0.0625,
                    },
                ],
            },
        ],
        Standby = [new OfferedSilo("silo-3", 1, Rates, 7, 3, "cpu")],
        Drained = [],
        Refused = [],
    };

    /// <summary>The changes of the cluster that were asked for.</summary>
    public ConcurrentQueue<string> Changes { get; } = new();

    /// <summary>Why they are not made; null when they are.</summary>
    public ClusterChangeException? ChangeFault { get; set; }

    public GatewaySummary Summary => new(Status.Ready ? null : Status.Reason ?? "It is not ready.", Status.MaxSequenceTokens);

    public Task<ClusterStatus> StatusAsync(CancellationToken cancellationToken) => Task.FromResult(Status);

    public Task<ClusterPlan> PlanAsync(CancellationToken cancellationToken) => Task.FromResult(Plan);

    public Task DrainAsync(string silo, CancellationToken cancellationToken) => ChangeAsync($"drain {silo}");

    public Task TakeBackAsync(string silo, CancellationToken cancellationToken) => ChangeAsync($"take back {silo}");

    public Task RebalanceAsync(CancellationToken cancellationToken) => ChangeAsync("rebalance");

    public void Dispose() => ended.Dispose();

    public GenerationRequest Single => Assert.Single(Requests);

    /// <summary>Waits until a generation has ended, whatever way.</summary>
    public async Task WaitForEndAsync() =>
        Assert.True(await ended.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken), "The generation did not end.");

    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Requests.Enqueue(request);
        try
        {
            if (request.Pooling is not null)
            {
                await BeforeTokenOf(request, 0, cancellationToken);
                yield return new GeneratedToken(default, [], FinishReason.Stop, 0, Prompt(request));
                yield break;
            }

            foreach (var known in request.ResumedTokens) yield return known;
            var position = request.ResumedTokens.Count;
            foreach (var token in Script(request).Skip(position))
            {
                await BeforeToken(position, cancellationToken);
                await BeforeTokenOf(request, position, cancellationToken);
                cancellationToken.ThrowIfCancellationRequested();
                position++;
                Interlocked.Increment(ref sampled);
                var isEnd = (token == TestTokenizer.End && !request.IgnoreEndTokens) || request.StopTokens.Contains(token);
                FinishReason? finish = isEnd ? FinishReason.Stop : position == request.MaxTokens ? FinishReason.Length : null;
                var prompt = position == 1 ? Prompt(request) : default;
                yield return new GeneratedToken(new TokenLogprob(token, LogProbability(request)), TopLogprobs(token), finish, CachedTokens(request), prompt);
                if (finish is not null) yield break;
            }
        }
        finally
        {
            if (cancellationToken.IsCancellationRequested) Cancelled++;
            ended.Release();
        }
    }

    /// <summary>
    /// A vector of the number of tokens and the last one; or each token at rank 2 with a log-probability of -1, behind z, y, … from -0.5 downwards.
    /// </summary>
    private static ReadOnlyMemory<byte> ToldPrompt(GenerationRequest request)
    {
        if (request.Pooling is { } pooling)
            return MemoryMarshal.AsBytes<float>((float[])[request.PromptTokens.Count, request.PromptTokens[^1], pooling == Pooling.Last ? -1 : 0.5f]).ToArray();
        if (request.PromptLogprobs is not { } top) return default;
        var bytes = new List<byte>();
        foreach (var token in request.PromptTokens.Skip(1))
        {
            bytes.AddRange([.. BitConverter.GetBytes(2), .. BitConverter.GetBytes(top), .. Told(token, -1)]);
            for (var i = 0; i < top; i++) bytes.AddRange(Told('z' - i, -0.5f - i));
        }

        return bytes.ToArray();

        static byte[] Told(int token, float logProbability) => [.. BitConverter.GetBytes(token), .. BitConverter.GetBytes(logProbability)];
    }

    private Task ChangeAsync(string change)
    {
        Changes.Enqueue(change);
        return ChangeFault is null ? Task.CompletedTask : Task.FromException(ChangeFault);
    }

    private static StageStatus Stage(string silo, int port, int processId, int[] layers, long weightBytes) => new()
    {
        Silo = silo,
        Address = $"127.0.0.1:{port}",
        ProcessId = processId,
        Layers = layers,
        WeightBytes = weightBytes,
        State = "ready",
    };
}
