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

    /// <summary>What is where, and whether it answers.</summary>
    ClusterStatus Status { get; }
}
