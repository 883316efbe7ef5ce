using Llama.Grains.Wire;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>
/// A host within this process that has Orleans and nothing else: the process's configuration and loggers, no signals, no files, no
/// console. It can end, and another one begin, while the process goes on.
/// </summary>
internal static class InnerHost
{
    /// <summary>Builds such a host, down to the services that it will start.</summary>
    /// <param name="configuration">The process's configuration.</param>
    /// <param name="loggers">The process's loggers.</param>
    /// <param name="configure">Adds Orleans.</param>
    /// <exception cref="OrleansConfigurationException">A service cannot be made: the configuration will not work later either.</exception>
    public static IHost Build(IConfiguration configuration, ILoggerFactory loggers, Action<HostApplicationBuilder> configure)
    {
        IHost? host = null;
        try
        {
            HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
            builder.Configuration.AddConfiguration(configuration);
            builder.Services.Replace(ServiceDescriptor.Singleton(loggers));
            builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, NoLifetime>());
            builder.Services.AddModelTypes();
            configure(builder);
            host = builder.Build();
            host.Services.GetRequiredService<IEnumerable<IHostedService>>();
            return host;
        }
#pragma warning disable CA1031 // What Orleans' parts and their providers throw here has no common type.
        catch (Exception e)
#pragma warning restore CA1031
        {
            host?.Dispose();
            throw new OrleansConfigurationException($"Orleans cannot be set up: {e.Message}", e);
        }
    }

    /// <summary>The usual one would take the process's signals a second time.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
