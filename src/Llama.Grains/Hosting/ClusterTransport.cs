using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace Llama.Grains.Hosting;

/// <summary>
/// Puts this project's ports and dialler in the place of Orleans' sockets. Orleans registers those under keys of its own; a registration
/// that is not where it is expected would leave a port open to strangers, so it is an error.
/// </summary>
internal static class ClusterTransport
{
    /// <summary>A silo dials and listens.</summary>
    /// <exception cref="InvalidOperationException">This version of Orleans registers its transports otherwise.</exception>
    public static void UseForSilo(IServiceCollection services, ClusterDialler dialler, params IReadOnlyList<ClusterPort> ports)
    {
        Replace<IConnectionFactory>(services, dialler, expected: 1);
        Replace<IConnectionListenerFactory>(services, new Ports(ports), expected: 2);
    }

    /// <summary>A client dials.</summary>
    /// <exception cref="InvalidOperationException">This version of Orleans registers its transports otherwise.</exception>
    public static void UseForClient(IServiceCollection services, ClusterDialler dialler) =>
        Replace<IConnectionFactory>(services, dialler, expected: 1);

    private static void Replace<T>(IServiceCollection services, T transport, int expected)
        where T : class
    {
        int found = 0;
        for (int i = 0; i < services.Count; i++)
        {
            if (services[i].ServiceType != typeof(T) || !services[i].IsKeyedService) continue;
            services[i] = ServiceDescriptor.KeyedSingleton(services[i].ServiceKey, transport);
            found++;
        }

        if (found != expected)
            throw new InvalidOperationException($"Orleans registers {found} keyed services of {typeof(T).Name}; expected {expected}.");
    }

    /// <summary>Orleans binds by port number; it gets the port of that number, which is open already.</summary>
    private sealed class Ports(IReadOnlyList<ClusterPort> ports) : IConnectionListenerFactory
    {
        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            ClusterPort port = ports.FirstOrDefault(one => one.EndPoint.Port == ((IPEndPoint)endpoint).Port)
                ?? throw new InvalidOperationException(
                    $"Orleans listens on {endpoint}; expected {string.Join(" or ", ports.Select(one => one.EndPoint))}.");
            return ValueTask.FromResult(port.Attach());
        }
    }
}
