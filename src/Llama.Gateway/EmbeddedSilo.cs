using Llama.Grains.Directory;
using Llama.Grains.Links;
using Llama.Grains.Settings;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;

namespace Llama.Gateway;

/// <summary>
/// A silo inside the gateway's process, for a gateway that serves alone. It works over loopback links, as any other. It is made before
/// the gateway grain and so disposed of after it: the grain never sees it leave.
/// </summary>
internal sealed class EmbeddedSilo : IAsyncDisposable
{
    private readonly SiloNode silo;
    private readonly Presence presence;

    /// <summary>Starts the silo and joins.</summary>
    /// <param name="settings">What it is started with.</param>
    /// <param name="directory">What it joins.</param>
    /// <param name="logging">Told of its links, and when it has to join again.</param>
    public EmbeddedSilo(SiloSettings settings, IDirectory directory, ILoggerFactory logging)
    {
        ILogger logger = logging.CreateLogger("Llama.Gateway");
        silo = new SiloNode(settings, logger);
        presence = directory.Announce(() => silo.Member, logger);
    }

    /// <summary>What the silo of a gateway is started with.</summary>
    public static SiloSettings Settings(GatewayOptions options, Checkpoint checkpoint, LinkIdentity gateway, MachineRates rates) => new()
    {
        Identity = gateway with { Name = "embedded" },
        OpenCheckpoint = () => options.OpenCheckpoint(options.Threads),
        Profile = NumericProfile.Of(checkpoint, gateway.KvType),
        Threads = options.Threads,
        Memory = options.Memory?.Bytes,
        Rates = rates,
        Cores = CoreList.Parse(options.Cores),
    };

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await presence.DisposeAsync();
        await silo.DisposeAsync();
    }
}
