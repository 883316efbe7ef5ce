using Llama.Grains.Certificates;
using Llama.Grains.Membership;
using Llama.Grains.Options;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>Where a process finds the others of its cluster, as long as it lives; its inner hosts come and go.</summary>
internal sealed class ClusterStore : IDisposable
{
    private readonly MembershipSecrets secrets;
    private readonly HealingDocument? healing;

    /// <summary>Opens the store that the options name.</summary>
    /// <param name="options">What the process was told.</param>
    /// <param name="key">The cluster key; empty for none.</param>
    /// <param name="certificate">What the process shows on TLS; null for no TLS.</param>
    /// <param name="loggers">The process's loggers.</param>
    /// <exception cref="InvalidDataException">The store cannot be used as it is named, or its login cannot be read.</exception>
    /// <exception cref="IOException">The folder of the document cannot be used.</exception>
    public ClusterStore(ClusterOptions options, ReadOnlyMemory<byte> key, ProcessCertificate? certificate, ILoggerFactory loggers)
    {
        Configuration = options.ClusterConfiguration();
        secrets = new MembershipSecrets { Key = key, Certificate = certificate, Login = StoreLogin.Load(options.ClusterLoginFile) };
        Document = MembershipProviders.Open(Configuration, secrets, TimeProvider.System);
        if (Document is not null) healing = new HealingDocument(Document, secrets, TimeProvider.System, loggers.CreateLogger<HealingDocument>());
    }

    /// <summary>What Orleans is told.</summary>
    public IConfiguration Configuration { get; }

    /// <summary>The document as its store has it; null where the store is of another kind.</summary>
    public IMembershipDocument? Document { get; }

    /// <summary>Gives an inner host the store.</summary>
    public void AddTo(IServiceCollection services) => services.AddMembership(healing, secrets);

    /// <summary>Waits until the store can be read, where this process reads it.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitAsync(CancellationToken cancellationToken) => healing?.WaitAsync(cancellationToken) ?? Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose() => healing?.Dispose();
}
