namespace Llama.Model.Layers;

/// <summary>
/// What a step leaves behind a range: hidden states for the next one, or after the last range the sampled tokens. The receiver disposes
/// of it.
/// </summary>
/// <param name="HiddenStates">After every range but the last.</param>
/// <param name="Sampled">After the last range: one for each sequence of the step that samples, in the step's order.</param>
public readonly record struct StepOutput(HiddenStates? HiddenStates, SampledTokens? Sampled) : IDisposable
{
    /// <summary>Gives the buffers back to the range.</summary>
    public void Dispose()
    {
        HiddenStates?.Dispose();
        Sampled?.Dispose();
    }
}
