using System.Runtime.CompilerServices;
using System.Text.Json;
using Llama.Grains.Answers;
using Llama.Grains.Hosting;

namespace Llama.Grains.Gateway;

/// <summary>The shell of the <see cref="LocalGateway"/> of the process that it is activated in, which owns the pipelines from then on.</summary>
/// <param name="gateway">Owns the pipelines.</param>
/// <param name="feeds">The attachments of other gateway processes.</param>
/// <param name="self">This process.</param>
[RolePlacement(SiloRoles.Gateway), Orleans.Concurrency.Reentrant]
public sealed class GatewayGrain(LocalGateway gateway, TokenFeeds feeds, SiloProcess self) : Grain, IGatewayGrain
{
    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        gateway.Own();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<GatewayReport> ReportAsync(CancellationToken cancellationToken) => Task.FromResult(gateway.Report(self));

    /// <inheritdoc/>
    public Task<string> StatusAsync(CancellationToken cancellationToken) =>
        Task.FromResult(JsonSerializer.Serialize(gateway.Status, ClusterJson.Default.ClusterStatus));

    /// <inheritdoc/>
    public Task<string> PlanAsync(CancellationToken cancellationToken) =>
        Task.FromResult(JsonSerializer.Serialize(gateway.Plan, ClusterJson.Default.ClusterPlan));

    /// <inheritdoc/>
    public async Task<ClusterChangeFault?> ChangeAsync(ClusterChange change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(change);
        try
        {
            await (change.Kind switch
            {
                ClusterChangeKind.Drain => gateway.DrainAsync(change.Silo ?? string.Empty, cancellationToken),
                ClusterChangeKind.TakeBack => gateway.TakeBackAsync(change.Silo ?? string.Empty, cancellationToken),
                _ => gateway.RebalanceAsync(cancellationToken),
            });
            return null;
        }
        catch (ClusterChangeException e)
        {
            return new ClusterChangeFault(e.Error, e.Message);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<TokenBatch> AttachAsync(
        FrontAttachment attachment, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(attachment);
        if (attachment.Fingerprint is { } other && other != gateway.Fingerprint)
            throw new InvalidOperationException($"The pipelines are of a model with the fingerprint {gateway.Fingerprint}, not {other}.");
        TokenFeed feed = feeds.Open(attachment.Id);
        try
        {
            // What is submitted has a feed from the first heartbeat on.
            yield return new TokenBatch(ReadOnlyMemory<byte>.Empty);
            await foreach (TokenBatch batch in feed.ReadAsync(cancellationToken)) yield return batch;
        }
        finally
        {
            await feeds.CloseAsync(attachment.Id);
        }
    }

    /// <inheritdoc/>
    public Task<bool> SubmitAsync(Submission submission, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(submission);
        TokenFeed? feed = feeds.Find(submission.Attachment);
        feed?.Submit(submission.Number, submission.Request);
        return Task.FromResult(feed is not null);
    }

    /// <inheritdoc/>
    public Task CancelAsync(SubmittedRequest submitted, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(submitted);
        return feeds.Find(submitted.Attachment)?.CancelAsync(submitted.Number) ?? Task.CompletedTask;
    }
}
