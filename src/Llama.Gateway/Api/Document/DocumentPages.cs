using Llama.Gateway.Api.Keys;
using Microsoft.OpenApi;
using Scalar.AspNetCore;

namespace Llama.Gateway.Api.Document;

/// <summary>
/// <c>GET /openapi/v1.json</c>, and Scalar's page that shows it at <c>/scalar</c>. Both have services and a pipeline of their own, made when
/// somebody first asks: nothing of it is loaded by a gateway that only serves.
/// </summary>
/// <param name="application">The gateway's services.</param>
/// <param name="access">Tells whether a key is needed.</param>
internal sealed class DocumentPages(IServiceProvider application, ApiAccess access) : IDisposable
{
    /// <summary>Where they are.</summary>
    public static readonly string[] Paths = ["/openapi/v1.json", "/scalar/{**path}"];

    private readonly Lock gate = new();
    private Pipeline? pipeline;

    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    public async Task GetAsync(HttpContext context)
    {
        Pipeline own;
        lock (gate) own = pipeline ??= Build(application, access.KeyFile is not null);
        await using AsyncServiceScope scope = own.Services.CreateAsyncScope();
        context.RequestServices = scope.ServiceProvider;

        // The inner pipeline has routes of its own.
        context.SetEndpoint(null);
        await own.Answer(context);
    }

    /// <inheritdoc/>
    public void Dispose() => pipeline?.Services.Dispose();

    private static Pipeline Build(IServiceProvider application, bool needsKey)
    {
        EndpointDataSource endpoints = application.GetRequiredService<EndpointDataSource>();
        var services = new ServiceCollection();
        services.AddSingleton(application.GetRequiredService<IHostEnvironment>());
        services.AddSingleton(application.GetRequiredService<ILoggerFactory>());
        services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddSingleton(new System.Diagnostics.DiagnosticListener("Llama.Document"));
        services.AddRouting();
        services.AddOpenApi(options =>
        {
            options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
            options.AddDocumentTransformer((document, _, _) =>
            {
                RouteDocument.Fill(document, endpoints.Endpoints, needsKey);
                return Task.CompletedTask;
            });
        });
        ServiceProvider own = services.BuildServiceProvider();
        var builder = new ApplicationBuilder(own);
        builder.UseRouting();
        builder.UseEndpoints(routes =>
        {
            routes.MapOpenApi();
            routes.MapScalarApiReference(options =>
            {
                options.Title = "Llama";
                options.DefaultFonts = false;
            });
        });
        return new Pipeline(own, builder.Build());
    }

    private sealed record Pipeline(ServiceProvider Services, RequestDelegate Answer);
}
