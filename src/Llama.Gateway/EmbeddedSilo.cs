using Llama.Grains.Directory;
using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;

namespace Llama.Gateway;

/// <summary>
/// A silo inside the gateway's process, for a gateway that serves alone. It works over loopback links, as any other. It is made before
/// the gateway grain and so disposed of after it: the grain never sees it leave.
/// </summary>
internal sealed class EmbeddedSilo : IAsyncDisposable
{
    private readonly SiloNode silo;
    private readonly ILease lease;
    private readonly CancellationTokenSource stopping = new();
    private readonly Task membership;

    /// <summary>Starts the silo and joins.</summary>
    /// <param name="settings">What it is started with.</param>
    /// <param name="directory">What it joins.</param>
    /// <param name="logging">Told of its links.</param>
    public EmbeddedSilo(SiloSettings settings, IDirectory directory, ILoggerFactory logging)
    {
        silo = new SiloNode(settings, logging.CreateLogger("Llama.Gateway"));
        lease = directory.Join(silo.Member);
        membership = RenewAsync();
    }

    /// <summary>What the silo of a gateway is started with.</summary>
    public static SiloSettings Settings(GatewayOptions options, Checkpoint checkpoint, LinkIdentity gateway) => new()
    {
        Identity = gateway with { Name = "embedded" },
        OpenCheckpoint = () => options.OpenCheckpoint(options.Threads),
        Profile = NumericProfile.Of(checkpoint),
        Threads = options.Threads,
    };

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await membership;
        lease.Dispose();
        await silo.DisposeAsync();
        stopping.Dispose();
    }

    private async Task RenewAsync()
    {
        using var timer = new PeriodicTimer(DirectoryLinks.HeartbeatInterval);
        try
        {
            while (lease.Renew()) await timer.WaitForNextTickAsync(stopping.Token);
        }
        catch (OperationCanceledException)
        {
            // The gateway stops.
        }
    }
}
