using Llama.Grains.Answers;
using Llama.Grains.Generation;

namespace Llama.Grains.Gateway;

/// <summary>The model as the HTTP side asks for it, wherever its pipelines are owned.</summary>
public interface IGateway
{
    /// <summary>
    /// Generates tokens until an end token, the limit or cancellation; the last one carries a finish reason. Cancelling ends the
    /// sequence and frees its blocks.
    /// </summary>
    /// <param name="request">Prompt, limits and sampling.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away or has all the text it wants.</param>
    /// <exception cref="GenerationException">The request cannot be served; thrown before the first token or in their midst.</exception>
    IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken);

    /// <summary>What silos keep of answers in flight.</summary>
    IAnswerRecords Records { get; }

    /// <summary>Whether the model answers, as it was heard last; costs nothing.</summary>
    GatewaySummary Summary { get; }

    /// <summary>Tells what is where, and whether it answers; as it was heard last, where nobody tells at the moment.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    Task<ClusterStatus> StatusAsync(CancellationToken cancellationToken);

    /// <summary>Tells what the plan was made from; as it was heard last, where nobody tells at the moment.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    Task<ClusterPlan> PlanAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Moves a silo's layers to others, while every sequence goes on. It gets none until it is another process, or is taken back.
    /// Completes when it has none; a caller that stops waiting does not stop the change.
    /// </summary>
    /// <exception cref="ClusterChangeException">There is no such silo, or the others cannot take its layers.</exception>
    Task DrainAsync(string silo, CancellationToken cancellationToken);

    /// <summary>Lets a drained silo have layers again. It stands by at first.</summary>
    /// <exception cref="ClusterChangeException">There is no such silo.</exception>
    Task TakeBackAsync(string silo, CancellationToken cancellationToken);

    /// <summary>
    /// Cuts the layers anew for all silos that are there, where the slowest stage becomes faster by it, while every sequence goes on.
    /// Completes when the pipelines work again.
    /// </summary>
    /// <exception cref="ClusterChangeException">A pipeline could not be moved.</exception>
    Task RebalanceAsync(CancellationToken cancellationToken);
}

/// <summary>Whether a model answers.</summary>
/// <param name="Reason">Why it does not, in a sentence; null when it does.</param>
/// <param name="MaxSequenceTokens">Longest sequence in tokens, prompt included, that can be served; 0 while that is not known.</param>
/// <param name="Profile">
/// The numeric profile that its pipelines compute in, or had when they were lost; where they differ, all of them. Null before the first plan.
/// </param>
[GenerateSerializer, Immutable, Alias("llama.gateway-summary")]
public sealed record GatewaySummary(
    [property: Id(0)] string? Reason, [property: Id(1)] int MaxSequenceTokens, [property: Id(2)] string? Profile = null)
{
    /// <summary>Whether a request would be answered now.</summary>
    public bool Ready => Reason is null;
}
