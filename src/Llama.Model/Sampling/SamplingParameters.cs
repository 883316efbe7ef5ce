namespace Llama.Model.Sampling;

/// <summary>How the next token is drawn from the logits. The defaults are OpenAI's.</summary>
public sealed record SamplingParameters
{
    /// <summary>Divides the logits; 0 takes the most probable token.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Only the k most probable tokens are drawn from; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the most probable tokens whose probabilities add up to this are drawn from; 1 for all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Only tokens at least this many times as probable as the most probable one are drawn from; 0 for all.</summary>
    public float MinP { get; init; }
}
