using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Retries;
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

    /// <summary>Choices for each prompt.</summary>
    public int Choices { get; init; }

    /// <summary>Go on after end tokens.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Answer with a stream of events.</summary>
    public bool Stream { get; init; }

    /// <summary>End the stream with the usage.</summary>
    public bool IncludeUsage { get; init; }

    /// <summary>Answer with token ids beside the text.</summary>
    public bool ReturnTokenIds { get; init; }

    /// <summary>How many alternatives to report with each token, or null for no log-probabilities at all.</summary>
    public int? LogProbabilities { get; init; }

    /// <summary>The grammar that the answer follows; null for free text.</summary>
    public RequestedGrammar? Grammar { get; init; }

    /// <summary>Higher ones go first.</summary>
    public int Priority { get; init; }

    /// <summary>When the request ends at the latest; null for no limit of its own.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>The conversation that it belongs to, or null.</summary>
    public string? Session { get; init; }

    /// <summary>Who asks; see <see cref="ClientName"/>.</summary>
    public string? Client { get; init; }

    /// <summary>By what a retry is known, or null.</summary>
    public RetryKey? Retry { get; init; }

    /// <summary>Reads and checks the fields of a request.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="defaults">How tokens are sampled where it does not say.</param>
    /// <exception cref="ApiException">Two fields contradict each other, or a stop string is none.</exception>
    public static GenerationParameters Read(JsonFields fields, SamplingParameters defaults)
    {
        var choices = (int)(fields.Get(RequestFields.Choices) ?? 1);
        if (fields.Get(RequestFields.BestOf) is { } best && best != choices)
            throw ApiException.Invalid("best_of", $"best_of other than n is not supported; found {best} with n = {choices}.");
        return new GenerationParameters
        {
            MaxTokens = ReadMaxTokens(fields),
            Sampling = ReadSampling(fields, defaults),
            Seed = fields.Get(RequestFields.Seed) is { } seed and not RandomSeed ? seed : null,
            Stops = new StopStrings(ReadStops(fields)),
            Choices = choices,
            IgnoreEnd = fields.Get(RequestFields.IgnoreEnd) is true,
            Stream = fields.Get(RequestFields.Stream) is true,
            IncludeUsage = ReadIncludeUsage(fields),
            ReturnTokenIds = fields.Get(RequestFields.ReturnTokenIds) is true,
            // vLLM's clients count down.
            Priority = -(int)(fields.Get(RequestFields.Priority) ?? 0),
            Timeout = fields.Get(RequestFields.Timeout) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            Session = fields.Get(RequestFields.Session),
            Grammar = GrammarFields.Read(fields),
        };
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
