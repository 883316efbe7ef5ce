using System.Net;
using System.Reflection;
using Llama.Grains.Links;
using Llama.Grains.Membership;
using Llama.Grains.Options;
using Llama.Grains.Settings;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>
/// This process as a member of a cluster: the document that says who is there, which it keeps as long as it lives, and its silo, which may
/// have several incarnations.
/// </summary>
public sealed class ClusterMembership : IAsyncDisposable
{
    private readonly ClusterStore store;

    /// <summary>Reads what the process was told. <see cref="Silo"/> joins when it is started.</summary>
    /// <param name="options">What the process was told.</param>
    /// <param name="place">Where the silo is reached.</param>
    /// <param name="role">What the silo is for.</param>
    /// <param name="identity">The process's name, key and certificate.</param>
    /// <param name="loggers">The process's loggers.</param>
    /// <param name="configure">Adds what each incarnation needs of the process.</param>
    /// <exception cref="InvalidDataException">The store cannot be used as it is named, or its login cannot be read.</exception>
    /// <exception cref="IOException">The folder of the document cannot be used, or the host has no address.</exception>
    public ClusterMembership(
        ClusterOptions options, SiloPlace place, string role, LinkIdentity identity, ILoggerFactory loggers, Action<ISiloBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(place);
        ArgumentNullException.ThrowIfNull(identity);
        store = new ClusterStore(options, identity.Credentials.Key, identity.Credentials.Certificate, loggers);
        Silo = new OrleansSilo(
            new OrleansSiloSettings
            {
                Name = identity.Name,
                Role = role,
                Version = Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "0",
                Configuration = store.Configuration,
                AdvertisedAddress = place.Advertised,
                ListenAddress = place.Listen,
                SiloPort = place.Port,
                ClientPort = place.ClientPort,
                Key = identity.Credentials.Key,
                Certificate = identity.Credentials.Certificate,
                WaitForStore = store.WaitAsync,
                Configure = silo =>
                {
                    store.AddTo(silo.Services);
                    configure(silo);
                },
            },
            loggers, TimeProvider.System);
    }

    /// <summary>The document as its store has it; null where the store is of another kind.</summary>
    public IMembershipDocument? Document => store.Document;

    /// <summary>The silo.</summary>
    public OrleansSilo Silo { get; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Silo.DisposeAsync().ConfigureAwait(false);
        store.Dispose();
    }
}

/// <summary>Where a silo is reached.</summary>
/// <param name="Listen">The address that it listens on.</param>
/// <param name="Advertised">The address that others reach it at.</param>
/// <param name="Port">Port for other silos; 0 for any free one.</param>
/// <param name="ClientPort">Port for fronts; 0 for any free one, null for a silo that takes none.</param>
public sealed record SiloPlace(IPAddress Listen, IPAddress Advertised, int Port, int? ClientPort)
{
    /// <summary>A place by host names.</summary>
    /// <param name="listen">Host that it listens on.</param>
    /// <param name="advertise">Host that others reach it by; null for the same.</param>
    /// <param name="port">Port for other silos; 0 for any free one.</param>
    /// <param name="clientPort">Port for fronts; 0 for any free one, null for a silo that takes none.</param>
    /// <exception cref="IOException">A host has no address, or others cannot reach it.</exception>
    public static SiloPlace Of(string listen, string? advertise, int port, int? clientPort)
    {
        IPAddress own = HostPort.Parse(listen).FindAddress();
        if (advertise is null) return new SiloPlace(own, own, port, clientPort);
        HostPort host = HostPort.Parse(advertise);
        IPAddress advertised = host.FindAddress();

        // As the names of machines often do in /etc/hosts.
        if (!host.IsLoopback && IPAddress.IsLoopback(advertised))
        {
            throw new IOException(
                $"--advertise: '{host.Host}' means {advertised} on this machine, where others cannot reach it; name an address instead");
        }

        return new SiloPlace(own, advertised, port, clientPort);
    }
}
