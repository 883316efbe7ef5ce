namespace Llama.Model.Sampling;

/// <summary>How the next token is sampled from the logits. <c>new()</c> has OpenAI's defaults.</summary>
public readonly record struct SamplingParameters()
{
    /// <summary>Divides the logits; 0 takes the most probable token.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Only the k most probable tokens are sampled from; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the most probable tokens whose probabilities add up to this are sampled from; 1 for all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Only tokens at least this many times as probable as the most probable one are sampled from; 0 for all.</summary>
    public float MinP { get; init; }
}

/// <summary>A token and its natural-log probability at temperature 1, before any truncation.</summary>
/// <param name="Token">Its id.</param>
/// <param name="LogProbability">Natural logarithm of its probability.</param>
public readonly record struct TokenLogprob(int Token, float LogProbability);
