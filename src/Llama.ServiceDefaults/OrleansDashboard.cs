using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Dashboard;
using Orleans.Serialization;

namespace Llama.ServiceDefaults;

/// <summary>
/// Orleans' dashboard: which grains are where, how often they are called and how long that takes. Silos that have it tell of themselves; a silo
/// that also has a web server shows the page. Only a process that calls this loads what it takes.
/// </summary>
public static class OrleansDashboard
{
    /// <summary>Has a silo tell of itself, and be able to show the page.</summary>
    /// <param name="silo">The silo, of one incarnation.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void AddTo(ISiloBuilder silo)
    {
        ArgumentNullException.ThrowIfNull(silo);

        // It would stream what the incarnation's own loggers say, and these are the process's.
        silo.AddDashboard(options => options.HideTrace = true);

        // Orleans looked for grains in what was loaded before.
        silo.Services.AddSerializer(serializer => serializer.AddAssembly(typeof(DashboardOptions).Assembly));
        silo.Services.AddRoutingCore();
        silo.Services.AddSingleton(_ => new DiagnosticListener("Llama.OrleansDashboard"));
    }

    /// <summary>
    /// The page and what it asks for, which resolve from an incarnation's services: no listener of its own is needed for them. What it does not
    /// have leaves the status 404 and writes nothing.
    /// </summary>
    /// <param name="services">The services of a silo that has the dashboard.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static RequestDelegate Page(IServiceProvider services)
    {
        var builder = new ApplicationBuilder(services);
        builder.UseRouting().UseEndpoints(endpoints => endpoints.MapOrleansDashboard());
        RequestDelegate page = builder.Build();
        return async context =>
        {
            IServiceProvider before = context.RequestServices;
            Endpoint? endpoint = context.GetEndpoint();
            context.RequestServices = services;
            context.SetEndpoint(null);
            try
            {
                await page(context).ConfigureAwait(false);
            }
            finally
            {
                context.SetEndpoint(endpoint);
                context.RequestServices = before;
            }
        };
    }
}
