using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using OpenTelemetry.Metrics;

namespace Llama.ServiceDefaults;

/// <summary>Answers Prometheus.</summary>
/// <param name="metrics">Has the metrics.</param>
public sealed class MetricsScrape(Task<MeterProvider> metrics)
{
    private volatile RequestDelegate? pipeline;

    /// <summary>Answers a request with all metrics, in the form that its <c>Accept</c> asks for.</summary>
    /// <param name="context">The request.</param>
    public async Task WriteAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        MeterProvider provider = await metrics.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        await (pipeline ??= Build(context.RequestServices, provider))(context).ConfigureAwait(false);
    }

    private static RequestDelegate Build(IServiceProvider services, MeterProvider provider)
    {
        var builder = new ApplicationBuilder(services);
        builder.UseOpenTelemetryPrometheusScrapingEndpoint(
            provider, predicate: _ => true, path: null, configureBranchedPipeline: null, optionsName: null);
        return builder.Build();
    }
}
