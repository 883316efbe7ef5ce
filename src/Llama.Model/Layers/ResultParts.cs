namespace Llama.Model.Layers;

/// <summary>
/// The optional parts of a step's result: what the last range tells of its sequences besides the tokens that it samples, in the form and order of
/// <see cref="StepParts"/>. <c>docs/wire.md</c> describes them.
/// </summary>
public static class ResultParts
{
    /// <summary>Log-probabilities of tokens of the prompt (<see cref="Sampling.PromptLogprobs"/>).</summary>
    public static ReadOnlySpan<byte> PromptLogprobs => "plog"u8;

    /// <summary>A sum of hidden states (<see cref="StateSums"/>), <c>[dim]</c>.</summary>
    public static ReadOnlySpan<byte> StateSum => "pool"u8;
}
