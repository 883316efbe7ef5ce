using Llama.Grains.Records;

namespace Llama.Grains.Gateway;

/// <summary>Owns the pipelines and every sequence that runs in them: token ids, sampling, KV blocks, schedule.</summary>
public interface IGatewayGrain
{
    /// <summary>
    /// Generates tokens until an end token, the limit or cancellation; the last one carries a finish reason. Cancelling ends the
    /// sequence and frees its blocks.
    /// </summary>
    /// <param name="request">Prompt, limits and sampling.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away or has all the text it wants.</param>
    /// <exception cref="GenerationException">The request cannot be served; thrown before the first token or in their midst.</exception>
    IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken);

    /// <summary>What silos keep of answers under way.</summary>
    IAnswerRecords Records { get; }

    /// <summary>What is where, and whether it answers.</summary>
    ClusterStatus Status { get; }

    /// <summary>What the plan was made from.</summary>
    ClusterPlan Plan { get; }

    /// <summary>
    /// Moves a silo's layers to others, while every sequence goes on. It gets none until it is another process, or is taken back.
    /// Completes when it has none; whoever stops waiting does not stop the change.
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
