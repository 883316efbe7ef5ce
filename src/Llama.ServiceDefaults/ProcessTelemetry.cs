using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Llama.ServiceDefaults;

/// <summary>
/// What a process tells of itself: metrics, traces and logs by OTLP, where the standard variables say so, and metrics for Prometheus. What is
/// measured is said where it is measured; here is who hears it.
/// </summary>
public sealed class ProcessTelemetry : IDisposable
{
    /// <summary>Our own, those of Orleans, and those of the runtime and its web server.</summary>
    private static readonly string[] Meters =
    [
        "Llama", "Microsoft.Orleans", "System.Runtime", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel",
        "System.Net.Http",
    ];

    private static readonly string[] Sources =
        ["Llama", "Microsoft.Orleans.Application", "Microsoft.Orleans.Runtime", "Microsoft.Orleans.Lifecycle"];

    private readonly OtlpVariables otlp;
    private Action<ResourceBuilder>? resource;
    private TracerProvider? traces;
    private ServiceProvider? logs;
    private Task<MeterProvider>? metrics;

    private ProcessTelemetry(string service, string instance, bool isScraped, OtlpVariables otlp)
    {
        this.otlp = otlp;
        if (isScraped || otlp.Any) Listen(service, instance, isScraped);
    }

    /// <summary>The metrics in Prometheus' form; null for a process that nobody scrapes.</summary>
    public MetricsScrape? Scrape { get; private set; }

    private static string? Version => Assembly.GetEntryAssembly()?.GetName().Version?.ToString(3);

    /// <summary>Begins to listen to what is measured, if anybody is to hear it.</summary>
    /// <param name="service">What kind of process it is (<c>service.name</c>).</param>
    /// <param name="instance">Its name among those (<c>service.instance.id</c>).</param>
    /// <param name="isScraped">Whether Prometheus can ask for its metrics.</param>
    public static ProcessTelemetry Start(string service, string instance, bool isScraped) =>
        new(service, instance, isScraped, OtlpVariables.OfThisProcess);

    /// <summary>Sends the logs of a process, if the variables say so.</summary>
    /// <param name="logging">The logging of the process.</param>
    public void AddTo(ILoggingBuilder logging)
    {
        if (logs is not null) logging.AddProvider(logs.GetRequiredService<ILoggerProvider>());
    }

    /// <summary>Sends what has not been sent, for some seconds at most.</summary>
    public void Dispose()
    {
        logs?.Dispose();
        traces?.Dispose();
        if (metrics is { IsCompletedSuccessfully: true }) metrics.Result.Dispose();
    }

    /// <summary>A method of its own, so that a process that nobody hears does not load what tells.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Listen(string service, string instance, bool isScraped)
    {
        // What the user says of the service in OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES comes last, and counts.
        resource = builder => builder.Clear().AddTelemetrySdk()
            .AddService(service, serviceVersion: Version, serviceInstanceId: instance).AddEnvironmentVariableDetector();
        if (otlp.Traces) traces = BuildTraces();
        if (otlp.Logs) logs = BuildLogs();

        // Its assemblies take as long to load as the web server; who starts a process waits for its first answer, not for its figures.
        if (otlp.Metrics) metrics = Task.FromResult(BuildMetrics(isScraped));
        else if (isScraped) metrics = Task.Run(() => BuildMetrics(isScraped));
        if (isScraped) Scrape = new MetricsScrape(metrics!);
    }

    private MeterProvider BuildMetrics(bool isScraped)
    {
        MeterProviderBuilder builder = Sdk.CreateMeterProviderBuilder().ConfigureResource(resource!).AddMeter(Meters);
        if (isScraped) builder.AddPrometheusExporter();
        if (otlp.Metrics) AddOtlp(builder);
        return builder.Build();
    }

    /// <summary>A method of its own, so that who sends nothing does not load what sends.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddOtlp(MeterProviderBuilder builder) => builder.AddOtlpExporter();

    private TracerProvider BuildTraces() => Sdk.CreateTracerProviderBuilder().ConfigureResource(resource!)
        .AddProcessor(new RequestTraces())
        .AddAspNetCoreInstrumentation(options => options.Filter = IsRequest)
        .AddSource(Sources)
        .AddOtlpExporter()
        .Build();

    /// <summary>In services of its own: those of a host would read the variables from the host's configuration, where they are not.</summary>
    private ServiceProvider BuildLogs() => new ServiceCollection().AddLogging(logging => logging.AddOpenTelemetry(options =>
    {
        var builder = ResourceBuilder.CreateEmpty();
        resource!(builder);
        options.SetResourceBuilder(builder);
        options.IncludeFormattedMessage = true;
        options.AddProcessor(new EventIds()).AddOtlpExporter();
    })).BuildServiceProvider();

    /// <summary>What asks how the process is every few seconds has no trace.</summary>
    private static bool IsRequest(HttpContext context) => !(HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method));
}
