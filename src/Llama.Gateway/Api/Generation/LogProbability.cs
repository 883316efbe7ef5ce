using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Generation;

/// <summary>Log-probabilities as JSON can say them.</summary>
internal static class LogProbability
{
    private const float Impossible = -9999;

    /// <summary>A token's log-probability; JSON knows no infinity, so what cannot be sampled has OpenAI's -9999.</summary>
    /// <param name="logprob">The token.</param>
    public static float Finite(TokenLogprob logprob) => float.IsFinite(logprob.LogProbability) ? logprob.LogProbability : Impossible;
}
