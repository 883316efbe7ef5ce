using System.Runtime.CompilerServices;
using Llama.Grains.Answers;
using Llama.Grains.Gateway;

namespace Llama.Grains.Tests.Gateway;

/// <summary>
/// The gateway grain as every process reaches it, without a cluster of Orleans: activated where the test says, it dies and hangs when the
/// test says.
/// </summary>
internal sealed class TestGatewayGrain : IGatewayGrain
{
    private volatile Activation? present;

    /// <summary>Called before a request is submitted; what it answers or throws takes the place of that, null lets it through.</summary>
    public Func<Submission, bool?> Submitting { get; set; } = _ => null;

    /// <summary>Called after a request was submitted.</summary>
    public Action<Submission> Submitted { get; set; } = _ => { };

    /// <summary>Attachments that were opened.</summary>
    public int Attached { get; private set; }

    /// <summary>Activates the grain in another process, which owns the pipelines from then on. What was activated before is gone.</summary>
    public async Task ActivateAsync(LocalGateway gateway, SiloProcess self)
    {
        await KillAsync();
        var grain = new GatewayGrain(gateway, new TokenFeeds(gateway, TimeProvider.System), self);
        await grain.OnActivateAsync(Patience.Token);
        present = new Activation(grain);
    }

    /// <summary>Ends the activation: calls and enumerations fail.</summary>
    public async Task KillAsync()
    {
        Activation? activation = present;
        present = null;
        if (activation is not null) await activation.Ended.CancelAsync();
    }

    /// <summary>From now on nothing that this activation is asked is answered, not even when it is cancelled.</summary>
    public void Hang() => present!.Hangs = true;

    public Task<GatewayReport> ReportAsync(CancellationToken cancellationToken) => CallAsync(grain => grain.ReportAsync(cancellationToken));

    public Task<string> StatusAsync(CancellationToken cancellationToken) => CallAsync(grain => grain.StatusAsync(cancellationToken));

    public Task<string> PlanAsync(CancellationToken cancellationToken) => CallAsync(grain => grain.PlanAsync(cancellationToken));

    public Task<ClusterChangeFault?> ChangeAsync(ClusterChange change, CancellationToken cancellationToken) =>
        CallAsync(grain => grain.ChangeAsync(change, cancellationToken));

    public async IAsyncEnumerable<TokenBatch> AttachAsync(
        FrontAttachment attachment, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Activation activation = present ?? throw Gone();
        Attached++;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, activation.Ended.Token);
        IAsyncEnumerator<TokenBatch> batches = activation.Grain.AttachAsync(attachment, ending.Token).GetAsyncEnumerator(ending.Token);
        await using (batches)
        {
            while (true)
            {
                await activation.AnswersAsync();
                bool more;
                try
                {
                    more = await batches.MoveNextAsync();
                }
                catch (OperationCanceledException) when (activation.Ended.IsCancellationRequested)
                {
                    throw Gone();
                }

                if (!more) break;
                await activation.AnswersAsync();
                yield return batches.Current;
            }
        }

        if (activation.Ended.IsCancellationRequested) throw Gone();
    }

    public Task<bool> SubmitAsync(Submission submission, CancellationToken cancellationToken) => CallAsync(async grain =>
    {
        if (Submitting(submission) is { } answer) return answer;
        bool taken = await grain.SubmitAsync(submission, cancellationToken);
        Submitted(submission);
        return taken;
    });

    public Task CancelAsync(SubmittedRequest submitted, CancellationToken cancellationToken) => CallAsync(async grain =>
    {
        await grain.CancelAsync(submitted, cancellationToken);
        return true;
    });

    private static IOException Gone() => new("The activation is gone.");

    private async Task<T> CallAsync<T>(Func<GatewayGrain, Task<T>> call)
    {
        Activation activation = present ?? throw Gone();
        await activation.AnswersAsync();
        T answer = await call(activation.Grain).WaitAsync(activation.Ended.Token);
        await activation.AnswersAsync();
        return answer;
    }

    private sealed class Activation(GatewayGrain grain)
    {
        private readonly TaskCompletionSource never = new();

        public GatewayGrain Grain => grain;

        public CancellationTokenSource Ended { get; } = new();

        public bool Hangs { get; set; }

        public Task AnswersAsync() => Hangs ? never.Task : Task.CompletedTask;
    }
}
