using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Llama.Gateway.Api.Errors;
using Llama.Grains.Generation;
using Llama.Grains.Telemetry;

namespace Llama.Gateway.Api.Telemetry;

/// <summary>
/// Tells of each request that generates: metrics and attributes of its span by OpenTelemetry's semantic conventions for generative AI (1.37, in
/// development), and a line in the log.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="logger">Gets the lines.</param>
internal sealed partial class RequestTelemetry(TimeProvider time, ILogger<RequestTelemetry> logger)
{
    /// <summary><c>gen_ai.operation.name</c> of what goes on with a text.</summary>
    public const string Completion = "text_completion";

    /// <summary><c>gen_ai.operation.name</c> of what answers a conversation.</summary>
    public const string Chat = "chat";

    /// <summary><c>gen_ai.operation.name</c> of what turns texts into vectors.</summary>
    public const string Embedding = "embeddings";

    /// <summary><c>gen_ai.provider.name</c>.</summary>
    private const string Provider = "llama";

    private static readonly Histogram<double> Duration = Instruments.Histogram(
        "gen_ai.server.request.duration", Instruments.Seconds, "Time from a request's arrival to the end of its answer.", Instruments.DurationBuckets);

    private static readonly Histogram<double> TimeToFirstToken = Instruments.Histogram(
        "gen_ai.server.time_to_first_token", Instruments.Seconds, "Time from a request's arrival to the first token.", Instruments.DurationBuckets);

    private static readonly Histogram<double> TimePerOutputToken = Instruments.Histogram(
        "gen_ai.server.time_per_output_token", Instruments.Seconds, "Mean time from a token of an answer to the next, after the first.",
        Instruments.DurationBuckets);

    /// <summary>An endpoint, of whose requests it tells.</summary>
    /// <param name="operation"><c>gen_ai.operation.name</c>.</param>
    /// <param name="endpoint">Answers a request.</param>
    public Func<HttpContext, CancellationToken, Task> Observe(string operation, Func<HttpContext, CancellationToken, Task> endpoint) =>
        (context, cancellationToken) => ObserveAsync(operation, context, () => endpoint(context, cancellationToken));

    /// <summary>Answers a request, and tells of it.</summary>
    /// <param name="operation"><c>gen_ai.operation.name</c>.</param>
    /// <param name="context">The request.</param>
    /// <param name="answerAsync">Answers it.</param>
    public async Task ObserveAsync(string operation, HttpContext context, Func<Task> answerAsync)
    {
        var request = new ServedRequest(time);
        context.Features.Set(request);
        string? error = null;
        try
        {
            await answerAsync();
        }
        catch (Exception e)
        {
            error = context.RequestAborted.IsCancellationRequested ? "client_gone" : TypeOf(e);
            throw;
        }
        finally
        {
            Tell(operation, context.TraceIdentifier, request, error);
        }
    }

    private static string TypeOf(Exception exception) => exception switch
    {
        ApiException e => e.Code ?? e.Status.ToString(CultureInfo.InvariantCulture),
        GenerationException e => e.Error.ToString().ToLowerInvariant(),
        OperationCanceledException => "gateway_stops",
        _ => exception.GetType().Name,
    };

    private void Tell(string operation, string id, ServedRequest request, string? error)
    {
        (double seconds, double? first) = (request.Seconds, request.SecondsToFirst);
        var tags = new TagList { { "gen_ai.operation.name", operation }, { "gen_ai.provider.name", Provider } };
        if (request.Model is { } model) tags.Add("gen_ai.request.model", model);
        if (first is { } toFirst) TimeToFirstToken.Record(toFirst, tags);
        if (error is null && request.SecondsAToken is { } each) TimePerOutputToken.Record(each, tags);
        if (error is not null) tags.Add("error.type", error);
        Duration.Record(seconds, tags);
        Describe(tags, id, request);
        if (error is null)
        {
            Log.Answered(
                logger, operation, id, request.PromptTokens, request.CachedTokens, request.Tokens, request.Finish, first ?? seconds, seconds);
        }
        else
        {
            Log.Ended(logger, operation, id, error, request.PromptTokens, request.Tokens, seconds);
        }
    }

    /// <summary>The span of the HTTP request is that of the generation, too.</summary>
    private static void Describe(in TagList tags, string id, ServedRequest request)
    {
        if (Activity.Current is not { IsAllDataRequested: true } span) return;
        foreach (KeyValuePair<string, object?> tag in tags) span.SetTag(tag.Key, tag.Value);
        span.SetTag("llama.request.id", id).SetTag("gen_ai.usage.input_tokens", request.PromptTokens)
            .SetTag("gen_ai.usage.output_tokens", request.Tokens).SetTag("llama.tokens.cached", request.CachedTokens);
        if (request.Finish is { } finish) span.SetTag("gen_ai.response.finish_reasons", new[] { finish });
    }

    private static partial class Log
    {
        [LoggerMessage(20, LogLevel.Information,
            "{Operation} {Id}: {PromptTokens} prompt tokens, {CachedTokens} of them cached; {Tokens} tokens, finish {Finish}; the first after"
            + " {SecondsToFirst:0.000} s, all after {Seconds:0.000} s")]
        public static partial void Answered(
            ILogger logger, string operation, string id, int promptTokens, int cachedTokens, int tokens, string? finish, double secondsToFirst,
            double seconds);

        [LoggerMessage(21, LogLevel.Information,
            "{Operation} {Id}: {Error} after {Seconds:0.000} s; {PromptTokens} prompt tokens, {Tokens} tokens")]
        public static partial void Ended(
            ILogger logger, string operation, string id, string error, int promptTokens, int tokens, double seconds);
    }
}
