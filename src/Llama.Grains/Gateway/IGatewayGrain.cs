using Llama.Grains.Answers;
using Llama.Grains.Generation;

namespace Llama.Grains.Gateway;

/// <summary>
/// Owns a model's pipelines: admission, placement of sessions, plan and epochs, one scheduler a replica. Its key is the model's name. The
/// activation is a shell of the <see cref="LocalGateway"/> of its process; that it is there says who owns the pipelines.
/// </summary>
[Alias("llama.IGatewayGrain")]
public interface IGatewayGrain : IGrainWithStringKey
{
    /// <summary>Tells who owns the pipelines, and whether the model answers.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Report"), ResponseTimeout("00:00:03")]
    Task<GatewayReport> ReportAsync(CancellationToken cancellationToken);

    /// <summary>The body of <c>GET /cluster</c>, as JSON.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Status"), ResponseTimeout("00:00:03")]
    Task<string> StatusAsync(CancellationToken cancellationToken);

    /// <summary>The body of <c>GET /cluster/plan</c>, as JSON.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Plan"), ResponseTimeout("00:00:03")]
    Task<string> PlanAsync(CancellationToken cancellationToken);

    /// <summary>Changes the cluster; completes when it is done.</summary>
    /// <param name="change">What is asked for.</param>
    /// <param name="cancellationToken">Gives up waiting; the change goes on.</param>
    /// <returns>Why it was not done; null when it was.</returns>
    [Alias("Change"), ResponseTimeout("00:15:00")]
    Task<ClusterChangeFault?> ChangeAsync(ClusterChange change, CancellationToken cancellationToken);

    /// <summary>
    /// The tokens of all requests that a gateway process submits under this attachment: a batch whenever there are some, and an empty one
    /// as a heartbeat every half second. Ending the enumeration ends the requests.
    /// </summary>
    /// <param name="attachment">Names it; a name that nobody has used before.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidOperationException">It is for the tokens of another model.</exception>
    [Alias("Attach")]
    IAsyncEnumerable<TokenBatch> AttachAsync(FrontAttachment attachment, CancellationToken cancellationToken);

    /// <summary>Submits a request; its tokens, or why it was refused, come with the batches.</summary>
    /// <param name="submission">The request.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>False when there is no such attachment.</returns>
    [Alias("Submit"), ResponseTimeout("00:00:03")]
    Task<bool> SubmitAsync(Submission submission, CancellationToken cancellationToken);

    /// <summary>Ends a request.</summary>
    /// <param name="submitted">Which one.</param>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Cancel"), Orleans.Concurrency.OneWay]
    Task CancelAsync(SubmittedRequest submitted, CancellationToken cancellationToken);
}

/// <summary>Who owns the pipelines, and how they are.</summary>
/// <param name="Owner">The process that owns them.</param>
/// <param name="Summary">Whether the model answers.</param>
/// <param name="Keeper">The silo that keeps answers; null while there is none.</param>
/// <param name="Silos">The silos that are planned with.</param>
/// <param name="Planned">Whether there has been a plan.</param>
[GenerateSerializer, Immutable, Alias("llama.gateway-report")]
public sealed record GatewayReport(
    [property: Id(0)] SiloProcess Owner, [property: Id(1)] GatewaySummary Summary, [property: Id(2)] SiloProcess? Keeper,
    [property: Id(3)] IReadOnlyList<SiloProcess> Silos, [property: Id(4)] bool Planned);

/// <summary>What a change of the cluster does.</summary>
public enum ClusterChangeKind
{
    /// <summary>Empties a silo.</summary>
    Drain,

    /// <summary>Lets a drained silo have layers again.</summary>
    TakeBack,

    /// <summary>Plans the layers anew for the silos that are there.</summary>
    Rebalance,
}

/// <summary>A change of the cluster.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Silo">The silo's name; null for all.</param>
[GenerateSerializer, Immutable, Alias("llama.cluster-change")]
public sealed record ClusterChange([property: Id(0)] ClusterChangeKind Kind, [property: Id(1)] string? Silo);

/// <summary>Why a change of the cluster was not made.</summary>
/// <param name="Error">What kind of refusal.</param>
/// <param name="Message">Why, in a sentence.</param>
[GenerateSerializer, Immutable, Alias("llama.cluster-change-fault")]
public sealed record ClusterChangeFault([property: Id(0)] ClusterChangeError Error, [property: Id(1)] string Message);

/// <summary>Under which a gateway process submits requests and reads their tokens.</summary>
/// <param name="Id">Its name; a new one each time.</param>
/// <param name="Fingerprint">Fingerprint of the model whose tokens are submitted; null where that is not told.</param>
[GenerateSerializer, Immutable, Alias("llama.front-attachment")]
public sealed record FrontAttachment([property: Id(0)] Guid Id, [property: Id(1)] string? Fingerprint = null);

/// <summary>A request under an attachment.</summary>
/// <param name="Attachment">The attachment.</param>
/// <param name="Number">Tells it from the attachment's others.</param>
/// <param name="Request">The request.</param>
[GenerateSerializer, Immutable, Alias("llama.submission")]
public sealed record Submission(
    [property: Id(0)] Guid Attachment, [property: Id(1)] int Number, [property: Id(2)] GenerationRequest Request);

/// <summary>A request that was submitted.</summary>
/// <param name="Attachment">The attachment.</param>
/// <param name="Number">Its number there.</param>
[GenerateSerializer, Immutable, Alias("llama.submitted-request")]
public sealed record SubmittedRequest([property: Id(0)] Guid Attachment, [property: Id(1)] int Number);

/// <summary>What came of an attachment's requests since the batch before; empty as a heartbeat.</summary>
/// <param name="Items">Tokens and faults in order, as <see cref="TokenBatchCodec"/> writes them.</param>
[GenerateSerializer, Immutable, Alias("llama.token-batch")]
public sealed record TokenBatch([property: Id(0)] ReadOnlyMemory<byte> Items);
