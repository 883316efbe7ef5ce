using System.Runtime.CompilerServices;
using Llama.Grains.Answers;
using Llama.Grains.Generation;
using Microsoft.Extensions.Hosting;

namespace Llama.Grains.Gateway;

/// <summary>
/// The model as a gateway process asks for it that may own the pipelines, with others beside it: this process while it owns them, else
/// their owner. A request goes on where the pipelines go.
/// </summary>
public sealed class SharedGateway : IGateway, IHostedService, IAsyncDisposable
{
    private readonly LocalGateway local;
    private readonly RemoteGateway remote;
    private readonly SiloProcess self;
    private readonly Lock gate = new();
    private int disposed;
    private CancellationTokenSource owning = new();

    /// <summary>Begins as one that owns nothing.</summary>
    /// <param name="local">Owns the pipelines while this process is to.</param>
    /// <param name="remote">Makes the way to their owner, given who is told of each owner that is heard of.</param>
    /// <param name="self">This process.</param>
    public SharedGateway(LocalGateway local, Func<Action<SiloProcess>, RemoteGateway> remote, SiloProcess self)
    {
        ArgumentNullException.ThrowIfNull(remote);
        (this.local, this.self) = (local, self);
        this.remote = remote(Hear);
    }

    /// <inheritdoc/>
    public IAnswerRecords Records => Present.Records;

    /// <inheritdoc/>
    public GatewaySummary Summary => Present.Summary;

    private IGateway Present => local.Owns ? local : remote;

    /// <inheritdoc/>
    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        List<GeneratedToken> tokens = [.. request.ResumedTokens];
        int told = 0;
        bool resumed = request.IsResubmitted;
        while (true)
        {
            // First the token: the pipelines are left before it is cancelled, so this one is cancelled if they are left from now on.
            CancellationToken leaving = Owning;
            IGateway gateway = Present;
            if (gateway == remote) leaving = CancellationToken.None;
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, leaving);
            int next = 0;
            GenerationRequest rest = request with { ResumedTokens = [.. tokens], IsResubmitted = resumed };
            await using IAsyncEnumerator<GeneratedToken> answer =
                gateway.GenerateAsync(rest, ending.Token).GetAsyncEnumerator(CancellationToken.None);
            while (await NextAsync(answer, leaving, cancellationToken).ConfigureAwait(false))
            {
                if (next == tokens.Count) tokens.Add(answer.Current);
                if (next++ < told) continue;
                told = next;
                yield return answer.Current;
            }

            if (tokens is [.., { Finish: not null }] || !leaving.IsCancellationRequested) yield break;
            resumed = true;
        }
    }

    /// <inheritdoc/>
    public Task<ClusterStatus> StatusAsync(CancellationToken cancellationToken) => Present.StatusAsync(cancellationToken);

    /// <inheritdoc/>
    public Task<ClusterPlan> PlanAsync(CancellationToken cancellationToken) => Present.PlanAsync(cancellationToken);

    /// <inheritdoc/>
    public Task DrainAsync(string silo, CancellationToken cancellationToken) => Present.DrainAsync(silo, cancellationToken);

    /// <inheritdoc/>
    public Task TakeBackAsync(string silo, CancellationToken cancellationToken) => Present.TakeBackAsync(silo, cancellationToken);

    /// <inheritdoc/>
    public Task RebalanceAsync(CancellationToken cancellationToken) => Present.RebalanceAsync(cancellationToken);

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Leaves the pipelines; the next owner finds the silos free. Not before the answers of this process have ended.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await DisposeAsync().ConfigureAwait(false);
        local.Leave("The gateway stops.");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        await remote.DisposeAsync().ConfigureAwait(false);
        owning.Dispose();
    }

    private CancellationToken Owning
    {
        get
        {
            lock (gate) return owning.Token;
        }
    }

    /// <summary>The next token; false at the end, and when the pipelines have gone elsewhere.</summary>
    private static async Task<bool> NextAsync(
        IAsyncEnumerator<GeneratedToken> answer, CancellationToken leaving, CancellationToken cancellationToken)
    {
        try
        {
            return await answer.MoveNextAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (
            leaving.IsCancellationRequested && !cancellationToken.IsCancellationRequested
            && e is OperationCanceledException or GenerationException { Error: GenerationError.Unavailable })
        {
            return false;
        }
    }

    /// <summary>Somebody owns the pipelines, as the grain tells.</summary>
    private void Hear(SiloProcess owner)
    {
        if (owner == self)
        {
            local.Own();
            return;
        }

        // The owner is told to leave without this, too: its requests go on elsewhere as soon as it is known where.
        local.Leave($"The gateway {owner.Name} owns the pipelines.");
        CancellationTokenSource left;
        lock (gate) (left, owning) = (owning, new CancellationTokenSource());
        left.Cancel();
        left.Dispose();
    }
}
