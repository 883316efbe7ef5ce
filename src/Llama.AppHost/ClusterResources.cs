using System.Globalization;
using Llama.Grains.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Llama.AppHost;

/// <summary>The cluster as Aspire's resources.</summary>
internal static class ClusterResources
{
    /// <summary>The name of the first gateway.</summary>
    public const string Gateway = "gateway";

    /// <summary>Whether a resource of this name is a gateway, and no front.</summary>
    /// <param name="name">The resource's name.</param>
    public static bool IsGateway(string name) => name == Gateway || name.StartsWith($"{Gateway}-", StringComparison.Ordinal);

    /// <summary>Adds gateways, fronts and silos.</summary>
    /// <param name="builder">What to add them to.</param>
    /// <param name="options">What the user wants.</param>
    /// <param name="port">The first gateway's port.</param>
    /// <param name="client">A client of the first gateway.</param>
    /// <param name="progress">Knows their health.</param>
    /// <exception cref="FileNotFoundException">A program is not beside this one.</exception>
    public static void Add(
        IDistributedApplicationBuilder builder, AppHostOptions options, int port, HttpClient client, ClusterProgress progress)
    {
        IResourceBuilder<ExecutableResource> gateway = AddGateway(Gateway, port);
        for (int number = 2; number <= options.Gateways; number++)
            AddGateway(string.Create(CultureInfo.InvariantCulture, $"{Gateway}-{number}"), FreePort.Choose());
        for (int number = 1; number <= options.Fronts; number++)
        {
            int at = FreePort.Choose();
            AddHttp(string.Create(CultureInfo.InvariantCulture, $"front-{number}"), at, ClusterArguments.Front(options, port, at));
        }

        for (int number = 1; number <= options.Silos; number++)
        {
            string name = ClusterArguments.SiloName(number);
            AddProgram(builder, name, "Llama.Silo", ClusterArguments.Silo(options, port, number))
                .WithParentRelationship(gateway)
                .WithHealth(builder, name, () => progress.HealthOf(name))
                .WithDrain(client, name);
        }

        IResourceBuilder<ExecutableResource> AddGateway(string name, int at) =>
            AddHttp(name, at, ClusterArguments.Gateway(options, port, at)).WithRebalance(client);

        IResourceBuilder<ExecutableResource> AddHttp(string name, int at, string[] arguments)
        {
            IResourceBuilder<ExecutableResource> added = AddProgram(builder, name, "Llama.Gateway", arguments);
            return (options.Tls is null ? added.WithHttpEndpoint(at, isProxied: false) : added.WithHttpsEndpoint(at, isProxied: false))
                .WithUrl($"{options.UrlOf(at)}/", "Chat and API")
                .WithHealth(builder, name, () => progress.HealthOfGateway);
        }
    }

    private static IResourceBuilder<ExecutableResource> AddProgram(
        IDistributedApplicationBuilder builder, string name, string program, string[] arguments)
    {
        (string file, string[] before) = ProgramFile.Find(program);
        return builder.AddExecutable(name, file, Directory.GetCurrentDirectory(), [.. before, .. arguments])
            .WithEnvironment("DOTNET_ROOT", ProgramFile.DotnetFolder)
            // Who started this process may have asked it to end with its input; the programs' is nobody's.
            .WithEnvironment(ParentWatch.Variable, "0");
    }

    private static IResourceBuilder<ExecutableResource> WithHealth(
        this IResourceBuilder<ExecutableResource> resource, IDistributedApplicationBuilder builder, string name, Func<HealthCheckResult> look)
    {
        builder.Services.AddHealthChecks().AddCheck($"{name}-ready", look);
        return resource.WithHealthCheck($"{name}-ready");
    }
}
