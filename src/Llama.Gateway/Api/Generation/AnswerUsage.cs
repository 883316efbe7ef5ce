namespace Llama.Gateway.Api.Generation;

/// <summary>Counts what an answer takes.</summary>
/// <param name="plan">What was asked.</param>
internal sealed class AnswerUsage(GenerationPlan plan)
{
    /// <summary>By prompt: the fewest tokens that a choice found in the cache. The other choices found what that one computed.</summary>
    private readonly Dictionary<int, int> cachedTokens = [];

    /// <summary>Tokens of all prompts, each counted once.</summary>
    public int PromptTokens => plan.PromptTokens;

    /// <summary>Tokens that were generated.</summary>
    public int CompletionTokens { get; private set; }

    /// <summary>Those of them with which the model thought before it answered.</summary>
    public int ReasoningTokens { get; private set; }

    /// <summary>Tokens of the prompts that did not have to be computed.</summary>
    public int CachedTokens => cachedTokens.Values.Sum();

    /// <summary>Counts a token.</summary>
    /// <param name="piece">The token's piece.</param>
    public void Count(ChoicePiece piece)
    {
        CompletionTokens++;
        ReasoningTokens += piece.ReasoningTokens;
        var prompt = piece.Choice / plan.Parameters.Choices;
        cachedTokens[prompt] = Math.Min(cachedTokens.GetValueOrDefault(prompt, int.MaxValue), piece.Token.CachedTokens);
    }
}
