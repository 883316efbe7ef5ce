using Llama.Grains.Certificates;
using Llama.Grains.Options;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>This process as a client of a cluster: where the cluster's silos are found, and the connections to those that take clients.</summary>
public sealed class ClusterClient : IDisposable
{
    private readonly ClusterStore store;

    /// <summary>Reads what the process was told. <see cref="Client"/> connects when it is started.</summary>
    /// <param name="options">What the process was told.</param>
    /// <param name="key">The cluster key; empty for none.</param>
    /// <param name="certificate">What the process shows on TLS; null for no TLS.</param>
    /// <param name="loggers">The process's loggers.</param>
    /// <exception cref="InvalidDataException">The store cannot be used as it is named, or its login cannot be read.</exception>
    /// <exception cref="IOException">The folder of the document cannot be used.</exception>
    public ClusterClient(ClusterOptions options, ReadOnlyMemory<byte> key, ProcessCertificate? certificate, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(options);
        store = new ClusterStore(options, key, certificate, loggers);
        var settings = new OrleansClientSettings
        {
            Configuration = store.Configuration,
            Key = key,
            Certificate = certificate,
            Configure = client => store.AddTo(client.Services),
        };
        Client = new OrleansClient(settings, loggers, TimeProvider.System);
    }

    /// <summary>The connections.</summary>
    public OrleansClient Client { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Client.Dispose();
        store.Dispose();
    }
}
