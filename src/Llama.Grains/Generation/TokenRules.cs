using Llama.Model.Sampling;

namespace Llama.Grains.Generation;

/// <summary>
/// What changes the logits of a request from token to token. What it does at a position is a function of the tokens before it, so it is the
/// same when a stage, or the process that schedules, is lost.
/// </summary>
[GenerateSerializer, Immutable, Alias("llama.token-rules")]
public sealed record TokenRules
{
    /// <summary>The range of penalties that reaches over all tokens.</summary>
    public const int All = -1;

    /// <summary>Taken off once from the logit of a token that the answer has; 0 for none.</summary>
    [Id(0)]
    public float PresencePenalty { get; init; }

    /// <summary>Taken off for each time that the answer has the token; 0 for none.</summary>
    [Id(1)]
    public float FrequencyPenalty { get; init; }

    /// <summary>Divides a positive logit of a token that prompt or answer has, multiplies a negative one; 1 for none.</summary>
    [Id(2)]
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>How many of the last tokens, of prompt and answer together, the penalties look at; <see cref="All"/> for all.</summary>
    [Id(3)]
    public int PenaltyRange { get; init; } = All;

    /// <summary>What is added to logits.</summary>
    [Id(4)]
    public IReadOnlyList<TokenBias> Biases { get; init; } = [];

    /// <summary>The tokens that may be sampled; empty for all.</summary>
    [Id(5)]
    public IReadOnlyList<int> AllowedTokens { get; init; } = [];

    /// <summary>Sequences of tokens that the answer must not have; none is empty.</summary>
    [Id(6)]
    public IReadOnlyList<IReadOnlyList<int>> BadWords { get; init; } = [];

    /// <summary>Tokens of the answer before which it does not end; 0 for none.</summary>
    [Id(7)]
    public int MinTokens { get; init; }

    /// <summary>What is wrong with it, for the client; null when nothing is.</summary>
    /// <param name="vocabSize">Tokens of the model.</param>
    public string? FindFault(int vocabSize)
    {
        if (!float.IsFinite(PresencePenalty) || !float.IsFinite(FrequencyPenalty) || !(RepetitionPenalty > 0 && float.IsFinite(RepetitionPenalty))
            || PenaltyRange < All)
        {
            return $"The penalties are out of bounds: presence {PresencePenalty}, frequency {FrequencyPenalty}, repetition {RepetitionPenalty} over"
                + $" {PenaltyRange} tokens.";
        }

        foreach (TokenBias bias in Biases)
        {
            if (!float.IsFinite(bias.Addend)) return $"{bias.Addend} is added to the logit of token {bias.Token}; expected a number.";
        }

        if (BadWords.Any(word => word.Count == 0)) return "A bad word has no tokens.";
        foreach (int token in Biases.Select(bias => bias.Token).Concat(AllowedTokens).Concat(BadWords.SelectMany(word => word)))
        {
            if ((uint)token >= (uint)vocabSize) return $"A rule is about token {token}; expected 0 to {vocabSize - 1}.";
        }

        return null;
    }
}
