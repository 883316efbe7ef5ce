namespace Llama.ServiceDefaults;

/// <summary>
/// What OpenTelemetry's standard variables say is to be sent by OTLP: all three signals with <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, one with its own
/// <c>OTEL_EXPORTER_OTLP_{TRACES,METRICS,LOGS}_ENDPOINT</c>; not one whose <c>OTEL_{TRACES,METRICS,LOGS}_EXPORTER</c> is <c>none</c>, and nothing with
/// <c>OTEL_SDK_DISABLED</c>. Where to, how often, which headers, and which traces are sampled (<c>OTEL_TRACES_SAMPLER</c>) the SDK reads itself.
/// </summary>
/// <param name="Traces">Whether traces are sent.</param>
/// <param name="Metrics">Whether metrics are sent.</param>
/// <param name="Logs">Whether logs are sent.</param>
public sealed record OtlpVariables(bool Traces, bool Metrics, bool Logs)
{
    /// <summary>Those of this process.</summary>
    public static OtlpVariables OfThisProcess { get; } = Read(Environment.GetEnvironmentVariable);

    /// <summary>Whether anything is sent.</summary>
    public bool Any => Traces || Metrics || Logs;

    /// <summary>Reads variables.</summary>
    /// <param name="variable">The value of a variable; null or empty where it is not set.</param>
    public static OtlpVariables Read(Func<string, string?> variable)
    {
        ArgumentNullException.ThrowIfNull(variable);
        bool disabled = string.Equals(variable("OTEL_SDK_DISABLED"), "true", StringComparison.OrdinalIgnoreCase);
        return new OtlpVariables(IsSent("TRACES"), IsSent("METRICS"), IsSent("LOGS"));

        bool IsSent(string signal) => !disabled
            && !string.Equals(variable($"OTEL_{signal}_EXPORTER"), "none", StringComparison.OrdinalIgnoreCase)
            && (IsSet("OTEL_EXPORTER_OTLP_ENDPOINT") || IsSet($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"));

        bool IsSet(string name) => variable(name) is { Length: > 0 };
    }
}
