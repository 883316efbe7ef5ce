namespace Llama.Model.Sampling;

/// <summary>
/// Penalties for tokens that a sequence has already, with vLLM's order and meaning: a logit is divided by the repetition penalty where it is positive
/// and multiplied where it is not, if the token is in prompt or answer; then the frequency penalty is taken off for each time, and the presence
/// penalty once, that the answer has it (OpenAI, "Parameter details"; Keskar et al., "CTRL", 2019, section 4.1).
/// </summary>
/// <param name="Presence">Taken off once for a token of the answer; 0 for none.</param>
/// <param name="Frequency">Taken off for each time that the answer has the token; 0 for none.</param>
/// <param name="Repetition">Divides the odds of tokens of prompt and answer; 1 for none.</param>
public readonly record struct Penalties(float Presence, float Frequency, float Repetition);

/// <summary>What is added to a token's logit.</summary>
/// <param name="Token">The token.</param>
/// <param name="Addend">What is added.</param>
public readonly record struct TokenBias(int Token, float Addend);

/// <summary>
/// What is done to logits before a token is sampled from them, in this order: what is denied becomes impossible, biases are added, penalties
/// applied, and what the mask has not becomes impossible. <c>default</c> changes nothing.
/// </summary>
public readonly ref struct LogitChanges
{
    /// <summary>Tokens that must not be sampled.</summary>
    public ReadOnlySpan<int> Denied { get; init; }

    /// <summary>What is added to logits; a token may occur more than once.</summary>
    public ReadOnlySpan<TokenBias> Biases { get; init; }

    /// <summary>Penalties for the tokens below.</summary>
    public Penalties Penalties { get; init; }

    /// <summary>Tokens of the prompt, for the repetition penalty.</summary>
    public ReadOnlySpan<int> Prompt { get; init; }

    /// <summary>Tokens of the answer so far.</summary>
    public ReadOnlySpan<int> Answer { get; init; }

    /// <summary>The tokens that may be sampled (<see cref="Grammars.TokenMask"/>); empty for all. No other is, whatever the rest says.</summary>
    public ReadOnlySpan<byte> Mask { get; init; }

    /// <summary>Whether nothing changes.</summary>
    public bool IsNone => Mask.IsEmpty && IsMaskOnly;

    /// <summary>Whether nothing changes but for the mask.</summary>
    public bool IsMaskOnly => Denied.IsEmpty && Biases.IsEmpty && Prompt.IsEmpty && Answer.IsEmpty;
}
