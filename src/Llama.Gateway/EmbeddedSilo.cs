using Llama.Grains.Directory;
using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;

namespace Llama.Gateway;

/// <summary>A silo inside the gateway's process, for a gateway that serves alone. It works over loopback links, as any other.</summary>
/// <param name="settings">What it is started with.</param>
/// <param name="directory">What it joins.</param>
/// <param name="logging">Told of its links.</param>
internal sealed class EmbeddedSilo(SiloSettings settings, IDirectory directory, ILoggerFactory logging) : BackgroundService
{
    /// <summary>What the silo of a gateway is started with.</summary>
    public static SiloSettings Settings(GatewayOptions options, CheckpointOptions overrides, Checkpoint checkpoint, LinkIdentity gateway) => new()
    {
        Identity = gateway with { Name = "embedded" },
        OpenCheckpoint = () => Checkpoint.Open(options.Model, overrides),
        Profile = NumericProfile.Of(checkpoint),
        Threads = options.Threads,
    };

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await using var silo = new SiloNode(settings, logging.CreateLogger<EmbeddedSilo>());
        using ILease lease = directory.Join(silo.Member);
        using var timer = new PeriodicTimer(DirectoryLinks.HeartbeatInterval);
        try
        {
            while (lease.Renew()) await timer.WaitForNextTickAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            // The gateway stops.
        }
    }
}
