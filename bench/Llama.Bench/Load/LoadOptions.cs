using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Bench.Load;

/// <summary>Options of <c>Llama.Bench load</c>.</summary>
[Description("Sends completions to an OpenAI-compatible server, and measures throughput and latency.")]
internal sealed record LoadOptions : IValidatableObject
{
    /// <summary>The server.</summary>
    [Description("Base URL of the server.")]
    [HttpUrl]
    public string Url { get; init; } = "http://127.0.0.1:8080";

    /// <summary>Clients in the closed loop.</summary>
    [Description("Clients, each of which sends its next request when it has the answer to the last one.")]
    [Range(1, 100_000)]
    public int Clients { get; init; } = 1;

    /// <summary>Requests in all.</summary>
    [Description("Requests in all.")]
    [Range(1, 10_000_000)]
    public int Requests { get; init; } = 16;

    /// <summary>Tokens of each prompt.</summary>
    [Description("Tokens of each prompt.")]
    [Range(1, 10_000_000)]
    public int Prompt { get; init; } = 128;

    /// <summary>Tokens to generate for each request.</summary>
    [Description("Tokens to generate for each request.")]
    [Range(1, 10_000_000)]
    public int Generate { get; init; } = 64;

    /// <summary>Requests a second in the open loop, or null for the closed one.</summary>
    [Description("Requests a second, sent at random times (Poisson) whatever is still in flight, in place of the clients.")]
    [Range(0.001, 100_000)]
    public float? Rate { get; init; }

    /// <summary>Tokens that all prompts begin with.</summary>
    [Description("Tokens that all prompts begin with; the others are each prompt's own.")]
    [Range(0, 10_000_000)]
    public int SharedPrefix { get; init; }

    /// <summary>A file with the JSON schema that answers follow; null for free text.</summary>
    [Description("File with a JSON schema that the answers follow; they end where it does. Without it they are free text, as long as --generate says.")]
    public string? Schema { get; init; }

    /// <summary>Seed of prompts and arrivals.</summary>
    [Description("Seed of the prompts and of the times at which they are sent.")]
    [Range(0, int.MaxValue)]
    public int Seed { get; init; } = 1;

    /// <summary>How long a request may take.</summary>
    [Description("How long a request may take.")]
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Whether to print JSON.</summary>
    [Description("Print one JSON object instead of a table.")]
    public bool Json { get; init; }

    /// <summary>The URL that the API's paths are relative to; a <c>/v1</c> at the end is not part of it.</summary>
    public Uri Address
    {
        get
        {
            string url = Url.TrimEnd('/');
            return new Uri((url.EndsWith("/v1", StringComparison.Ordinal) ? url[..^3] : url) + "/");
        }
    }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (SharedPrefix > Prompt)
            yield return new ValidationResult($"is more than the {Prompt} tokens of a prompt", [nameof(SharedPrefix), nameof(Prompt)]);
        if (Schema is not null && !File.Exists(Schema)) yield return new ValidationResult("is no file that exists", [nameof(Schema)]);
        if (Rate is not null && Clients != 1)
            yield return new ValidationResult("has no clients: leave --clients or --rate out", [nameof(Rate), nameof(Clients)]);
    }
}
