using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Generation;

/// <summary>Log-probabilities as JSON can say them.</summary>
internal static class LogProbability
{
    private const float Impossible = -9999;

    /// <summary>Whether there is one: a prompt's first token has none, which is not a number.</summary>
    /// <param name="logprob">The token.</param>
    public static bool IsTold(TokenLogprob logprob) => !float.IsNaN(logprob.LogProbability);

    /// <summary>A token's log-probability; JSON knows no infinity, so what cannot be sampled has OpenAI's -9999.</summary>
    /// <param name="logprob">The token.</param>
    public static float Finite(TokenLogprob logprob) => float.IsFinite(logprob.LogProbability) ? logprob.LogProbability : Impossible;
}
