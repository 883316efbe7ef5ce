using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Retries;
using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Generation;

/// <summary>What completions and chats have in common: how tokens are drawn, when to stop, and how to answer.</summary>
internal sealed record GenerationParameters
{
    /// <summary>The most choices that one request may ask for, over all its prompts.</summary>
    public const int MaxChoices = 16;

    /// <summary>The most alternatives that may be reported with each token.</summary>
    public const int MaxCandidates = 20;

    private const int MaxStopStrings = 16;
    private const int MaxSessionLength = 256;

    // Seconds: a millisecond and a day.
    private const double LeastTimeout = 0.001;
    private const double MostTimeout = 86_400;

    /// <summary>The most tokens to generate, or null when the request does not say.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>How tokens are drawn.</summary>
    public required SamplingParameters Sampling { get; init; }

    /// <summary>Determines the draws, or null for chance.</summary>
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
    /// <exception cref="ApiException">A field has a wrong type, is out of range or is not supported.</exception>
    public static GenerationParameters Read(JsonFields fields, SamplingParameters defaults)
    {
        UnsupportedFields.Check(fields);
        var choices = (int)(fields.Integer("n", 1, MaxChoices) ?? 1);
        if (fields.Integer("best_of", 1, MaxChoices) is { } best && best > choices)
            throw ApiException.Invalid("best_of", $"best_of above n is not supported; found {best} with n = {choices}.");
        return new GenerationParameters
        {
            MaxTokens = (int?)(fields.Integer("max_completion_tokens", 1, int.MaxValue) ?? fields.Integer("max_tokens", 1, int.MaxValue)),
            Sampling = ReadSampling(fields, defaults),
            Seed = fields.Integer("seed"),
            Stops = new StopStrings(ReadStops(fields)),
            Choices = choices,
            IgnoreEnd = fields.Flag("ignore_eos"),
            Stream = fields.Flag("stream"),
            IncludeUsage = fields.Object("stream_options")?.Flag("include_usage") ?? false,
            ReturnTokenIds = fields.Flag("return_token_ids"),
            Priority = (int)(fields.Integer("priority", int.MinValue, int.MaxValue) ?? 0),
            Timeout = fields.Number("timeout", LeastTimeout, MostTimeout) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            Session = ReadSession(fields),
        };
    }

    private static string? ReadSession(JsonFields fields)
    {
        var session = fields.Text("session_id");
        if (session?.Length > MaxSessionLength)
        {
            throw ApiException.Invalid(
                "session_id", $"session_id may have at most {MaxSessionLength} characters; found {session.Length}.");
        }

        return session;
    }

    private static SamplingParameters ReadSampling(JsonFields fields, SamplingParameters defaults)
    {
        var topP = fields.Number("top_p", 0, 1) ?? defaults.TopP;
        if (topP == 0) throw ApiException.Invalid("top_p", "top_p must be above 0 and at most 1; found 0.");
        return new SamplingParameters
        {
            Temperature = (float)(fields.Number("temperature", 0, 2) ?? defaults.Temperature),
            TopK = (int)Math.Max(0, fields.Integer("top_k", -1, int.MaxValue) ?? defaults.TopK),
            // What a float cannot tell from 0 still means the most probable token alone.
            TopP = Math.Max((float)topP, float.Epsilon),
            MinP = (float)(fields.Number("min_p", 0, 1) ?? defaults.MinP),
        };
    }

    private static List<string> ReadStops(JsonFields fields)
    {
        if (!fields.TryGet("stop", out var value)) return [];
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
