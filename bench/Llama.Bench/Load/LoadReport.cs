using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Llama.Bench.Load;

/// <summary>Failed requests of one kind.</summary>
/// <param name="Count">How many.</param>
/// <param name="Example">What one of them was told.</param>
internal sealed record LoadErrors(int Count, string Example);

/// <summary>What a load test found; times in milliseconds, of the requests that did not fail.</summary>
internal sealed record LoadReport
{
    /// <summary>Requests asked for.</summary>
    public required int Requests { get; init; }

    /// <summary>Requests that were answered in full.</summary>
    public required int Completed { get; init; }

    /// <summary>Duration of the test, seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Whether the prompts were token ids, and so of exactly the length asked for.</summary>
    public required bool TokenIds { get; init; }

    /// <summary>Tokens of all prompts.</summary>
    public required long PromptTokens { get; init; }

    /// <summary>Those of them that the server took from its cache.</summary>
    public required long CachedTokens { get; init; }

    /// <summary>Generated tokens.</summary>
    public required long GeneratedTokens { get; init; }

    /// <summary>Requests answered a second.</summary>
    public double RequestsPerSecond => Completed / Seconds;

    /// <summary>Prompt tokens a second.</summary>
    public double PromptTokensPerSecond => PromptTokens / Seconds;

    /// <summary>Generated tokens a second.</summary>
    public double GeneratedTokensPerSecond => GeneratedTokens / Seconds;

    /// <summary>Time to the first token.</summary>
    public required Distribution? FirstToken { get; init; }

    /// <summary>Each request's mean time between tokens.</summary>
    public required Distribution? TimePerToken { get; init; }

    /// <summary>Every time between two parts of an answer.</summary>
    public required Distribution? Pause { get; init; }

    /// <summary>Time to the last token.</summary>
    public required Distribution? Request { get; init; }

    /// <summary>Failed requests by kind.</summary>
    public required IReadOnlyDictionary<string, LoadErrors> Errors { get; init; }

    /// <summary>The report of a test.</summary>
    /// <param name="results">What came back.</param>
    /// <param name="requests">Requests asked for.</param>
    /// <param name="elapsed">Duration of the test.</param>
    /// <param name="tokenIds">Whether the prompts were token ids.</param>
    public static LoadReport Of(IReadOnlyCollection<RequestResult> results, int requests, TimeSpan elapsed, bool tokenIds)
    {
        RequestResult[] completed = [.. results.Where(result => result.Failure is null)];
        return new LoadReport
        {
            Requests = requests,
            Completed = completed.Length,
            Seconds = elapsed.TotalSeconds,
            TokenIds = tokenIds,
            PromptTokens = completed.Sum(result => (long)result.PromptTokens),
            CachedTokens = completed.Sum(result => (long)result.CachedTokens),
            GeneratedTokens = completed.Sum(result => (long)result.Tokens),
            FirstToken = Distribution.Of(completed.Select(result => result.FirstToken).OfType<double>()),
            TimePerToken = Distribution.Of(completed.Select(result => result.TimePerToken).OfType<double>()),
            Pause = Distribution.Of(completed.SelectMany(result => result.Pauses)),
            Request = Distribution.Of(completed.Select(result => result.LastToken)),
            Errors = results.Select(result => result.Failure).OfType<RequestFailure>().GroupBy(failure => failure.Kind)
                .ToDictionary(kind => kind.Key, kind => new LoadErrors(kind.Count(), kind.First().Message)),
        };
    }

    /// <summary>One line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, JsonSerializerOptions.Web);

    /// <summary>A table.</summary>
    public string ToTable()
    {
        var table = new StringBuilder();
        Add($"requests    {Completed} of {Requests} in {Seconds:F2} s: {RequestsPerSecond:F2}/s");
        string note = TokenIds ? "" : " (texts: the server takes no token ids)";
        Add($"prompts     {PromptTokens} tokens{note}, {CachedTokens} cached: {PromptTokensPerSecond:F1} tokens/s");
        Add($"generated   {GeneratedTokens} tokens: {GeneratedTokensPerSecond:F1} tokens/s");
        Add($"");
        Add($"milliseconds             p50        p90        p99        max");
        AddRow("first token", FirstToken);
        AddRow("time per token", TimePerToken);
        AddRow("pause", Pause);
        AddRow("request", Request);
        foreach ((string kind, LoadErrors errors) in Errors) Add($"{errors.Count} failed: {kind}: {errors.Example}");
        return table.ToString();

        void Add(FormattableString line) => table.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');

        void AddRow(string name, Distribution? times)
        {
            if (times is not null) Add($"{name,-16}  {times.P50,9:F2}  {times.P90,9:F2}  {times.P99,9:F2}  {times.Max,9:F2}");
        }
    }
}
