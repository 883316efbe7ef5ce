using Llama.Grains.Directory;
using Llama.Grains.Links;
using Llama.Grains.Settings;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;

namespace Llama.Gateway;

/// <summary>
/// A silo inside the gateway's process, for a gateway that serves alone. It works over loopback links, as any other. It is made before
/// the gateway grain and so disposed of after it: the grain never sees it leave.
/// </summary>
internal sealed partial class EmbeddedSilo : IAsyncDisposable
{
    private readonly SiloNode silo;
    private readonly IDirectory directory;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();
    private readonly Task membership;
    private ILease lease;

    /// <summary>Starts the silo and joins.</summary>
    /// <param name="settings">What it is started with.</param>
    /// <param name="directory">What it joins.</param>
    /// <param name="time">Measures its heartbeats.</param>
    /// <param name="logging">Told of its links, and when it has to join again.</param>
    public EmbeddedSilo(SiloSettings settings, IDirectory directory, TimeProvider time, ILoggerFactory logging)
    {
        logger = logging.CreateLogger("Llama.Gateway");
        silo = new SiloNode(settings, logger);
        this.directory = directory;
        this.time = time;
        lease = directory.Join(silo.Member);
        membership = StayAsync();
    }

    /// <summary>What the silo of a gateway is started with.</summary>
    public static SiloSettings Settings(GatewayOptions options, Checkpoint checkpoint, LinkIdentity gateway) => new()
    {
        Identity = gateway with { Name = "embedded" },
        OpenCheckpoint = () => options.OpenCheckpoint(options.Threads),
        Profile = NumericProfile.Of(checkpoint, gateway.KvType),
        Threads = options.Threads,
        Cores = CoreList.Parse(options.Cores),
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

    /// <summary>Renews the lease, and joins again where it has ended: this process may have been held up for too long.</summary>
    private async Task StayAsync()
    {
        using var timer = new PeriodicTimer(DirectoryLinks.HeartbeatInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping.Token))
            {
                if (lease.Renew()) continue;
                try
                {
                    lease = directory.Join(silo.Member);
                    Log.JoinedAgain(logger);
                }
                catch (DirectoryException e)
                {
                    Log.NotJoined(logger, e.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The gateway stops.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The silo in this process had lost its lease, and joined again")]
        public static partial void JoinedAgain(ILogger logger);

        [LoggerMessage(2, LogLevel.Warning, "The silo in this process has lost its lease and cannot join yet: {Reason}")]
        public static partial void NotJoined(ILogger logger, string reason);
    }
}
