using Llama.Model.Sampling;

namespace Llama.Grains.Generation;

/// <summary>One generation: a prompt of token ids, and how to go on from it.</summary>
[GenerateSerializer, Immutable, Alias("llama.generation-request")]
public sealed record GenerationRequest
{
    /// <summary>The prompt, begin-of-text included; at least one token.</summary>
    [Id(0)]
    public required IReadOnlyList<int> PromptTokens { get; init; }

    /// <summary>
    /// Tokens that were sampled before, none with a finish: the answer begins with them, and they are computed as the prompt is.
    /// </summary>
    [Id(1)]
    public IReadOnlyList<GeneratedToken> ResumedTokens { get; init; } = [];

    /// <summary>Most tokens to generate, the resumed ones among them; null for as many as fit the context.</summary>
    [Id(2)]
    public int? MaxTokens { get; init; }

    /// <summary>How tokens are sampled.</summary>
    [Id(3)]
    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>Together with a token's position, determines the number that samples it: the same seed gives the same text.</summary>
    [Id(4)]
    public ulong Seed { get; init; }

    /// <summary>Go on after end tokens, up to <see cref="MaxTokens"/>.</summary>
    [Id(5)]
    public bool IgnoreEndTokens { get; init; }

    /// <summary>How many of the most probable tokens to report with each token; 0 for none.</summary>
    [Id(6)]
    public int TopLogprobs { get; init; }

    /// <summary>Higher ones go first; within one, first come, first served.</summary>
    [Id(7)]
    public int Priority { get; init; }

    /// <summary>When it ends at the latest, counted from its arrival; null for no such limit.</summary>
    [Id(8)]
    public TimeSpan? Timeout { get; init; }

    /// <summary>Who asks: one client may have only a share of what may wait. Null for nobody in particular, which has no such limit.</summary>
    [Id(9)]
    public string? Client { get; init; }

    /// <summary>Requests of one session go to the same replica, if it is not much busier than another; null for none.</summary>
    [Id(10)]
    public string? Session { get; init; }

    /// <summary>
    /// Whether a gateway accepted it before and was lost: one that has just taken over has it wait for the first plan, where others are
    /// refused.
    /// </summary>
    [Id(11)]
    public bool IsResubmitted { get; init; }

    /// <summary>What changes the logits from token to token; null for nothing.</summary>
    [Id(12)]
    public TokenRules? Rules { get; init; }

    /// <summary>Tokens that end the answer, besides those that the configuration names; also where these are ignored.</summary>
    [Id(13)]
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>The span that asks, as <c>traceparent</c> of W3C Trace Context; null when the request is not traced.</summary>
    [Id(14)]
    public string? TraceParent { get; init; }

    /// <summary>Only requests with the same one share cached prefixes; null is one, too.</summary>
    [Id(15)]
    public string? CacheSalt { get; init; }

    /// <summary>The grammar that the answer follows; null for free text.</summary>
    [Id(16)]
    public AnswerGrammar? Grammar { get; init; }

    /// <summary>
    /// How many of the most probable tokens to report with each token of the prompt but the first; null for no log-probabilities of the prompt.
    /// </summary>
    [Id(17)]
    public int? PromptLogprobs { get; init; }

    /// <summary>Asks for a vector of the prompt instead of tokens; null for tokens.</summary>
    [Id(18)]
    public Pooling? Pooling { get; init; }

    /// <summary>Most numbers that may be kept of a prompt: of its tokens with log-probabilities and their top logprobs.</summary>
    public const int MostPromptLogprobs = 1 << 18;
}

/// <summary>How hidden states of a prompt, after the last norm, become one vector; its length is 1.</summary>
public enum Pooling
{
    /// <summary>The mean over all positions.</summary>
    Mean,

    /// <summary>The last position's.</summary>
    Last,
}

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>An end token was sampled; it is the last token.</summary>
    Stop,

    /// <summary>The limit of tokens or the context was reached.</summary>
    Length,
}

/// <summary>One generated token.</summary>
/// <param name="Sampled">The token and its log-probability.</param>
/// <param name="TopLogprobs">The most probable tokens, best first; as many as were asked for.</param>
/// <param name="Finish">Set on the last token.</param>
/// <param name="CachedTokens">Tokens of the prompt that did not have to be computed.</param>
/// <param name="Prompt">
/// On the first token what was asked for of the prompt: log-probabilities (<see cref="Model.Sampling.PromptLogprobs"/>), or a vector, F32; then it is the only
/// one and stands for no token. Empty on the others.
/// </param>
[GenerateSerializer, Immutable, Alias("llama.generated-token")]
public sealed record GeneratedToken(
    [property: Id(0)] TokenLogprob Sampled, [property: Id(1)] IReadOnlyList<TokenLogprob> TopLogprobs, [property: Id(2)] FinishReason? Finish,
    [property: Id(3)] int CachedTokens = 0, [property: Id(4)] ReadOnlyMemory<byte> Prompt = default);

/// <summary>What kind of refusal a <see cref="GenerationException"/> is.</summary>
public enum GenerationError
{
    /// <summary>The request can never be served: empty, too long, a token outside the vocabulary.</summary>
    Invalid,

    /// <summary>Too many requests wait; try again after <see cref="GenerationException.RetryAfter"/>.</summary>
    Overloaded,

    /// <summary>The request's own <see cref="GenerationRequest.Timeout"/> is over.</summary>
    Expired,

    /// <summary>No pipeline is ready, or it was lost and did not come back in time.</summary>
    Unavailable,
}

/// <summary>A generation was refused or ended early.</summary>
public sealed class GenerationException : Exception
{
    /// <summary>A generation was refused or ended early.</summary>
    /// <param name="error">What kind of refusal.</param>
    /// <param name="message">What was found and what was expected, for the client.</param>
    /// <param name="retryAfter">When to try again.</param>
    public GenerationException(GenerationError error, string message, TimeSpan? retryAfter = null)
        : base(message)
    {
        Error = error;
        RetryAfter = retryAfter;
    }

    /// <summary>What kind of refusal.</summary>
    public GenerationError Error { get; }

    /// <summary>When to try again, if that may help.</summary>
    public TimeSpan? RetryAfter { get; }
}
