using Llama.Gateway.Api.Generation;
using Llama.Grains.Generation;

namespace Llama.Gateway.Api.Embeddings;

/// <summary>What is turned into vectors, checked.</summary>
/// <param name="Inputs">The texts as token ids.</param>
/// <param name="Pooling">How hidden states become one vector.</param>
/// <param name="Parameters">Who asks, and when; nothing is sampled.</param>
internal sealed record EmbeddingPlan(IReadOnlyList<IReadOnlyList<int>> Inputs, Pooling Pooling, GenerationParameters Parameters)
{
    /// <summary>Tokens of all texts.</summary>
    public int PromptTokens { get; } = Inputs.Sum(input => input.Count);
}
