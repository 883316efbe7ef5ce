using System.Runtime.CompilerServices;
using Llama.Grains.Certificates;
using Llama.Grains.Telemetry;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;

namespace Llama.Grains.Hosting;

/// <summary>What a process is as a client of an Orleans cluster.</summary>
public sealed record OrleansClientSettings
{
    /// <summary>Configuration of the process; see <see cref="OrleansSiloSettings.Configuration"/>.</summary>
    public required IConfiguration Configuration { get; init; }

    /// <summary>The cluster key; empty when none is set.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>What it shows on TLS; null for connections without TLS.</summary>
    public ProcessCertificate? Certificate { get; init; }

    /// <summary>How long a call of a grain may take; the same as in the silos.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Adds services to the client's host.</summary>
    public Action<IClientBuilder> Configure { get; init; } = _ => { };
}

/// <summary>
/// This process as a client of an Orleans cluster. It connects in the background and tries for ever; once connected it goes on to do so
/// by itself whatever becomes of the silos.
/// </summary>
/// <param name="settings">What the process is.</param>
/// <param name="loggers">The process's loggers.</param>
/// <param name="time">The clock.</param>
public sealed partial class OrleansClient(OrleansClientSettings settings, ILoggerFactory loggers, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(3);

    private readonly ILogger logger = loggers.CreateLogger<OrleansClient>();
    private readonly Published<IGrainFactory?> grains = new(null);
    private volatile string reason = "it has not been tried yet";
    private volatile int connections;

    /// <summary>Makes references to grains. Their calls fail while no silo can be reached.</summary>
    /// <exception cref="SiloUnavailableException">The cluster has not been reached yet.</exception>
    public IGrainFactory Grains => grains.Now ?? throw new SiloUnavailableException("No silo of the cluster is reached.");

    /// <summary>Why no silo can be reached, in a sentence; null while there is a connection to one.</summary>
    public string? Unreachable => grains.Now is null ? $"No gateway silo of the cluster can be reached: {reason}."
        : connections == 0 ? "No gateway silo of the cluster can be reached: the connections to those that were there have ended." : null;

    /// <summary>Waits until the cluster has been reached for the first time.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IGrainFactory> WaitForConnectionAsync(CancellationToken cancellationToken) =>
        (await grains.WaitAsync(now => now is not null, cancellationToken).ConfigureAwait(false))!;

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Attempts.RepeatAsync(
            LiveAsync,
            e =>
            {
                reason = Brief.Of(e);
                Log.Failed(logger, Attempts.Pause.TotalSeconds, e);
            },
            time, stoppingToken);

    private async Task LiveAsync(CancellationToken stoppingToken)
    {
        IHost host = Build();
        await using ConfiguredAsyncDisposable disposing = ((IAsyncDisposable)host).ConfigureAwait(false);
        try
        {
            await host.StartAsync(stoppingToken).ConfigureAwait(false);
            grains.Update(_ => host.Services.GetRequiredService<IGrainFactory>());
            Log.Connected(logger);
            await Task.Delay(Timeout.Infinite, stoppingToken).ConfigureAwait(false);
        }
        finally
        {
            grains.Update(_ => null);
            using var limit = new CancellationTokenSource(StopLimit);
            await host.StopAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private IHost Build() => InnerHost.Build(settings.Configuration, loggers, builder => builder.UseOrleansClient(client =>
        {
            var security = new PeerSecurity(settings.Key, settings.Certificate);
            ClusterTransport.UseForClient(client.Services, new ClusterDialler(security, PeerPurpose.Client, new RefusalLog(logger, time)));
            client.Configure<ClientMessagingOptions>(options => options.ResponseTimeout = settings.ResponseTimeout);
            client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
            client.UseConnectionRetryFilter(RetryAsync);
            client.AddGatewayCountChangedHandler((_, count) => connections = count.NumberOfConnectedGateways);
            if (Instruments.Spans.HasListeners()) client.AddActivityPropagation();
            settings.Configure(client);
        }));

    private async Task<bool> RetryAsync(Exception exception, CancellationToken cancellationToken)
    {
        string found = Brief.Of(exception);
        if (found != reason) Log.NotConnected(logger, Attempts.Pause.TotalSeconds, found);
        reason = found;
        await Task.Delay(Attempts.Pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return true;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Connected to the cluster")]
        public static partial void Connected(ILogger logger);

        [LoggerMessage(2, LogLevel.Warning, "No silo of the cluster can be reached; it is tried again every {Seconds} s: {Reason}")]
        public static partial void NotConnected(ILogger logger, double seconds, string reason);

        [LoggerMessage(3, LogLevel.Warning, "The client of the cluster failed; it begins anew in {Seconds} s")]
        public static partial void Failed(ILogger logger, double seconds, Exception exception);
    }
}
