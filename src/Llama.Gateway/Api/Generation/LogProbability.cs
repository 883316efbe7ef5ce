using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Generation;

/// <summary>Log-probabilities as JSON can say them.</summary>
internal static class LogProbability
{
    private const float Impossible = -9999;

    /// <summary>A candidate's log-probability; JSON knows no infinity, so what cannot be drawn has OpenAI's -9999.</summary>
    /// <param name="candidate">The candidate.</param>
    public static float Finite(Candidate candidate) => float.IsFinite(candidate.LogProbability) ? candidate.LogProbability : Impossible;
}
