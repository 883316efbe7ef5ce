using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Retries;
using Llama.Gateway.Api.Tools;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Generation;

/// <summary>What completions and chats have in common: how tokens are sampled, when to stop, and how to answer.</summary>
internal sealed record GenerationParameters
{
    /// <summary>The most choices that one request may ask for, over all its prompts.</summary>
    public const int MaxChoices = 16;

    /// <summary>The most alternatives that may be reported with each token.</summary>
    public const int MaxTopLogprobs = 20;

    private const int MaxStopStrings = 16;

    // As in llama.cpp's server and older versions of vLLM.
    private const long RandomSeed = -1;

    /// <summary>The most tokens to generate, or null when the request does not say.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>How tokens are sampled.</summary>
    public required SamplingParameters Sampling { get; init; }

    /// <summary>Determines what is sampled, or null for a random one.</summary>
    public long? Seed { get; init; }

    /// <summary>The texts that end a choice.</summary>
    public required StopStrings Stops { get; init; }

    /// <summary>Choices that are generated for each prompt.</summary>
    public int Choices { get; init; }

    /// <summary>Those of them that the answer has: the best.</summary>
    public int Kept { get; init; }

    /// <summary>What changes the logits from token to token, or null.</summary>
    public TokenRules? Rules { get; init; }

    /// <summary>Tokens that end a choice, besides the model's.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>Answer with the prompt before the text.</summary>
    public bool Echo { get; init; }

    /// <summary>Go on after end tokens.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Answer with a stream of events.</summary>
    public bool Stream { get; init; }

    /// <summary>End the stream with the usage.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>Answer with token ids beside the text.</summary>
    public bool ReturnTokenIds { get; init; }

    /// <summary>Leave the reasoning of an answer, with its marks, in the text.</summary>
    public bool ReasoningInText { get; init; }

    /// <summary>What the request wrote of the message that the answer goes on with, or null for an answer of its own.</summary>
    public string? Continued { get; init; }

    /// <summary>How many alternatives to report with each token, or null for no log-probabilities at all.</summary>
    public int? LogProbabilities { get; init; }

    /// <summary>How many alternatives to report with each token of the prompt, or null for no log-probabilities of it.</summary>
    public int? PromptLogProbabilities { get; init; }

    /// <summary>The grammar that the answer follows; null for free text.</summary>
    public RequestedGrammar? Grammar { get; init; }

    /// <summary>The tools that the answer may call; null for none.</summary>
    public ToolUse? Tools { get; init; }

    /// <summary>Higher ones go first.</summary>
    public int Priority { get; init; }

    /// <summary>When the request ends at the latest; null for no limit of its own.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>The conversation that it belongs to, or null.</summary>
    public string? Session { get; init; }

    /// <summary>Who asks; see <see cref="ClientName"/>.</summary>
    public string? Client { get; init; }

    /// <summary>The holder of the key that it came with; null without keys.</summary>
    public KeyHolder? Holder { get; init; }

    /// <summary>Only requests with the same one share cached prefixes.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>By what a retry is known, or null.</summary>
    public RetryKey? Retry { get; init; }

    /// <summary>Reads and checks the fields of a request.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="defaults">How tokens are sampled where it does not say.</param>
    /// <exception cref="ApiException">Two fields contradict each other, or a stop string is none.</exception>
    public static GenerationParameters Read(JsonFields fields, SamplingParameters defaults)
    {
        var kept = (int)(fields.Get(RequestFields.Choices) ?? 1);
        var choices = (int)(fields.Get(RequestFields.BestOf) ?? kept);
        if (choices < kept) throw ApiException.Invalid("best_of", $"best_of must be at least n; found {choices} with n = {kept}.");
        var parameters = new GenerationParameters
        {
            MaxTokens = ReadMaxTokens(fields),
            Sampling = ReadSampling(fields, defaults),
            Seed = fields.Get(RequestFields.Seed) is { } seed and not RandomSeed ? seed : null,
            Stops = new StopStrings(ReadStops(fields)),
            Choices = choices,
            Kept = kept,
            Echo = fields.Get(RequestFields.Echo) is true,
            IgnoreEnd = fields.Get(RequestFields.IgnoreEnd) is true,
            Stream = fields.Get(RequestFields.Stream) is true,
            IncludeUsage = ReadIncludeUsage(fields),
            ReturnTokenIds = fields.Get(RequestFields.ReturnTokenIds) is true,
            ReasoningInText = fields.Get(RequestFields.ReasoningFormat) == RequestFields.ReasoningInText,
            Priority = ReadPriority(fields),
            Timeout = ReadTimeout(fields),
            PromptLogProbabilities = (int?)fields.Get(RequestFields.PromptLogProbabilities),
            Session = fields.Get(RequestFields.Session),
            Grammar = GrammarFields.Read(fields),
        };
        if (parameters.Stream) parameters.CheckStream();
        return parameters;
    }

    /// <summary>Reads which request goes first; vLLM's clients count down.</summary>
    /// <param name="fields">The request.</param>
    public static int ReadPriority(JsonFields fields) => -(int)(fields.Get(RequestFields.Priority) ?? 0);

    /// <summary>Reads when a request ends at the latest.</summary>
    /// <param name="fields">The request.</param>
    public static TimeSpan? ReadTimeout(JsonFields fields) =>
        fields.Get(RequestFields.Timeout) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

    /// <summary>Refuses what is only known when all of an answer is there.</summary>
    /// <exception cref="ApiException">It cannot be streamed.</exception>
    public void CheckStream()
    {
        if (Kept < Choices)
            throw ApiException.Invalid("best_of", $"best_of must be the same as n in a stream; found {Choices} with n = {Kept}.");
    }

    private static int? ReadMaxTokens(JsonFields fields)
    {
        var older = fields.Get(RequestFields.MaxTokens);
        var newer = fields.Get(RequestFields.MaxCompletionTokens);
        if (older is null || newer is null || older == newer) return (int?)(newer ?? older);
        throw ApiException.Invalid(
            "max_completion_tokens", $"max_completion_tokens is the newer name of max_tokens; found {newer} and max_tokens = {older}.");
    }

    private static bool ReadIncludeUsage(JsonFields fields) =>
        fields.Get(RequestFields.StreamOptions) is { } options
        && fields.Inner(options, RequestFields.StreamOptions.Name, FieldScope.StreamOptions).Get(RequestFields.IncludeUsage) is true;

    private static SamplingParameters ReadSampling(JsonFields fields, SamplingParameters defaults) => new()
    {
        Temperature = (float)(fields.Get(RequestFields.Temperature) ?? defaults.Temperature),
        TopK = (int)Math.Max(0, fields.Get(RequestFields.TopK) ?? defaults.TopK),
        // What a float cannot tell from 0 still means the most probable token alone.
        TopP = Math.Max((float)(fields.Get(RequestFields.TopP) ?? defaults.TopP), float.Epsilon),
        MinP = (float)(fields.Get(RequestFields.MinP) ?? defaults.MinP),
    };

    private static List<string> ReadStops(JsonFields fields)
    {
        if (fields.Get(RequestFields.Stop) is not { } value) return [];
        var elements = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [value];
        if (elements.Count > MaxStopStrings)
            throw ApiException.Invalid("stop", $"stop may have at most {MaxStopStrings} strings; found {elements.Count}.");
        return elements.ConvertAll(ReadStop);
    }

    private static string ReadStop(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text) return text;
        throw JsonFields.Wrong("stop", value, "a string that is not empty, or a list of such strings");
    }
}
