using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>
/// This process as a silo of an Orleans cluster. It owns the ports and, one after the other, the hosts of its incarnations: when the
/// cluster declares the silo dead, the process goes on, and joins anew at the same ports with a new generation. Starting waits for
/// nothing but the ports; <see cref="WaitForIncarnationAsync"/> waits until the silo is active.
/// </summary>
/// <param name="settings">What the process is.</param>
/// <param name="loggers">The process's loggers, which all incarnations use.</param>
/// <param name="time">The clock.</param>
public sealed partial class OrleansSilo(OrleansSiloSettings settings, ILoggerFactory loggers, TimeProvider time) : BackgroundService, IAsyncDisposable
{
    private static readonly TimeSpan GenerationPause = TimeSpan.FromMilliseconds(20);

    private readonly ILogger logger = loggers.CreateLogger<OrleansSilo>();
    private readonly Published<SiloIncarnation?> incarnation = new(null);
    private readonly Published<ClusterView> view = new(ClusterView.Empty);
    private ClusterDialler? dialler;
    private ClusterPort? siloPort;
    private ClusterPort? clientPort;
    private int lastNumber;
    private int lastGeneration;
    private string? toldFault;

    /// <summary>The incarnation that is active, or null.</summary>
    public SiloIncarnation? Incarnation => incarnation.Now;

    /// <summary>Makes references to grains; to be asked anew for each call, since an incarnation may end at any time.</summary>
    /// <exception cref="SiloUnavailableException">No incarnation is active.</exception>
    public IGrainFactory Grains => Active.Grains;

    /// <summary>What Orleans knows of the silos.</summary>
    /// <exception cref="SiloUnavailableException">No incarnation is active.</exception>
    public IClusterMembershipService Membership => Active.Membership;

    /// <summary>The silos of the cluster; between two incarnations as they were last.</summary>
    public ClusterView View => view.Now;

    /// <summary>Where the other silos connect, once it has started.</summary>
    public IPEndPoint? SiloEndPoint => siloPort?.EndPoint;

    /// <summary>Where clients of the cluster connect, once it has started; null for a silo that takes none.</summary>
    public IPEndPoint? ClientEndPoint => clientPort?.EndPoint;

    private SiloIncarnation Active =>
        Incarnation ?? throw new SiloUnavailableException($"The silo '{settings.Name}' is not a member of the cluster at the moment.");

    /// <summary>Waits until an incarnation is active that is newer than another.</summary>
    /// <param name="after">The number of the other; 0 for any.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<SiloIncarnation> WaitForIncarnationAsync(int after, CancellationToken cancellationToken) =>
        (await incarnation.WaitAsync(now => now?.Number > after, cancellationToken).ConfigureAwait(false))!;

    /// <summary>Waits until the view is newer than a version.</summary>
    /// <param name="version">The version that the caller knows; 0 for none.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<ClusterView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
        view.WaitAsync(now => now.Version > version, cancellationToken);

    /// <summary>Opens the ports, and begins to join the cluster in the background.</summary>
    /// <exception cref="IOException">A port cannot be opened.</exception>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        var security = new PeerSecurity(settings.Key, settings.Certificate);
        var refusals = new RefusalLog(logger, time);
        IPAddress listen = settings.ListenAddress ?? settings.AdvertisedAddress;
        dialler = new ClusterDialler(security, PeerPurpose.Silo, refusals);
        siloPort = ClusterPort.Open(new IPEndPoint(listen, settings.SiloPort), PeerPurpose.Silo, security, refusals, logger);
        if (settings.ClientPort is { } port)
            clientPort = ClusterPort.Open(new IPEndPoint(listen, port), PeerPurpose.Client, security, refusals, logger);
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Leaves the cluster and closes the ports: within 3 s, or 6 s if it must be hurried.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        await ClosePortsAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        Dispose();
    }

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Attempts.RepeatAsync(LiveAsync, TellFault, time, stoppingToken);

    /// <summary>One incarnation, from before its host is built until that has ended.</summary>
    private async Task LiveAsync(CancellationToken stoppingToken)
    {
        await settings.WaitForStore(stoppingToken).ConfigureAwait(false);
        await WaitForNewGenerationAsync(stoppingToken).ConfigureAwait(false);
        long start = time.GetTimestamp();
        var silo = new InnerSilo(settings, loggers, dialler!, siloPort!, clientPort);
        using var starting = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        bool isRefused = false;
        try
        {
            await silo.StartAsync(starting.Token).ConfigureAwait(false);
            await BeActiveAsync(silo, time.GetElapsedTime(start), stoppingToken).ConfigureAwait(false);
        }
        catch (OrleansConfigurationException)
        {
            // The process ends with the reason, and what has begun of the host with the process.
            isRefused = true;
            throw;
        }
        finally
        {
            await starting.CancelAsync().ConfigureAwait(false);
            if (!isRefused) await silo.EndAsync(graceful: stoppingToken.IsCancellationRequested && !silo.Died.IsCompleted).ConfigureAwait(false);
        }
    }

    private async Task BeActiveAsync(InnerSilo silo, TimeSpan startTime, CancellationToken stoppingToken)
    {
        SiloAddress address = silo.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;
        lastGeneration = address.Generation;
        toldFault = null;
        using var ended = new CancellationTokenSource();
        var active = new SiloIncarnation(
            ++lastNumber, address, silo.Services.GetRequiredService<IGrainFactory>(),
            silo.Services.GetRequiredService<IClusterMembershipService>(), silo.Services, ended.Token);
        Task following = new ClusterViewFeed(view, silo.Services, address).RunAsync(ended.Token);
        incarnation.Update(_ => active);
        Log.Active(logger, settings.Name, active.Number, address, (long)startTime.TotalMilliseconds);
        try
        {
            string reason = await silo.Died.WaitAsync(stoppingToken).ConfigureAwait(false);
            Log.Died(logger, settings.Name, active.Number, reason);
        }
        finally
        {
            incarnation.Update(_ => null);
            await ended.CancelAsync().ConfigureAwait(false);
            await following.ConfigureAwait(false);
        }
    }

    /// <summary>Says what keeps the silo from joining, once for all attempts that it keeps from it.</summary>
    private void TellFault(Exception exception)
    {
        string fault = exception.GetBaseException().Message;
        if (fault != toldFault) Log.NotJoined(logger, settings.Name, Attempts.Pause.TotalSeconds, fault);
        toldFault = fault;
    }

    /// <summary>A generation is a whole second: two incarnations in one would be the same silo, which is dead already.</summary>
    private async Task WaitForNewGenerationAsync(CancellationToken stoppingToken)
    {
        while (SiloAddress.AllocateNewGeneration() <= lastGeneration)
            await Task.Delay(GenerationPause, time, stoppingToken).ConfigureAwait(false);
    }

    private async Task ClosePortsAsync()
    {
        if (siloPort is not null) await siloPort.DisposeAsync().ConfigureAwait(false);
        if (clientPort is not null) await clientPort.DisposeAsync().ConfigureAwait(false);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "The silo '{Silo}' is active as {Address}, incarnation {Number}, after {Milliseconds} ms")]
        public static partial void Active(ILogger logger, string silo, int number, SiloAddress address, long milliseconds);

        [LoggerMessage(2, LogLevel.Warning, "The silo '{Silo}' has lost its place in the cluster (incarnation {Number}) and joins anew: {Reason}")]
        public static partial void Died(ILogger logger, string silo, int number, string reason);

        [LoggerMessage(3, LogLevel.Warning, "The silo '{Silo}' cannot join the cluster and tries again every {Seconds} s: {Reason}")]
        public static partial void NotJoined(ILogger logger, string silo, double seconds, string reason);
    }
}
