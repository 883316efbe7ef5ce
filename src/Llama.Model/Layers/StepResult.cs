using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>A token that the last range drew.</summary>
/// <param name="Drawn">The token and its log-probability.</param>
/// <param name="Candidates">The most probable tokens, best first; as many as the step asked for.</param>
public sealed record DrawnToken(Candidate Drawn, Candidate[] Candidates);

/// <summary>What a step leaves behind a range: hidden states for the next one, or after the last range the drawn tokens.</summary>
/// <param name="HiddenStates">After every range but the last; the receiver disposes of them.</param>
/// <param name="Drawn">After the last range: one for each sequence of the step that draws, in the step's order.</param>
public readonly record struct StepOutput(HiddenStates? HiddenStates, DrawnToken[]? Drawn);
