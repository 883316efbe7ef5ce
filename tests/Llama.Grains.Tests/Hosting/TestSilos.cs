using Llama.Grains.Certificates;
using Llama.Grains.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Messaging;

namespace Llama.Grains.Tests.Hosting;

/// <summary>Silos and clients of one cluster in the tests' process, over sockets of loopback.</summary>
internal sealed class TestSilos : IAsyncDisposable
{
    public static readonly byte[] Key = "a key of the cluster of the tests"u8.ToArray();

    private readonly List<OrleansSilo> silos = [];
    private readonly List<OrleansClient> clients = [];

    /// <summary>Which cluster it is.</summary>
    public static IConfiguration Configuration { get; } = new ConfigurationBuilder().AddInMemoryCollection(
        [new("Orleans:ClusterId", "tests"), new("Orleans:ServiceId", "tests")]).Build();

    public TestTable Table { get; } = new();

    /// <summary>The key of those that are started from now on.</summary>
    public byte[] SharedKey { get; set; } = Key;

    /// <summary>The certificate of those that are started from now on.</summary>
    public ProcessCertificate? Certificate { get; set; }

    /// <summary>A silo that is not started.</summary>
    public OrleansSilo Create(string name, string role = "worker", Func<OrleansSiloSettings, OrleansSiloSettings>? change = null)
    {
        var settings = new OrleansSiloSettings
        {
            Name = name,
            Role = role,
            Version = "1.2.3",
            Configuration = Configuration,
            ClientPort = 0,
            Key = SharedKey,
            Certificate = Certificate,
            WaitForStore = _ => Table.ReadAll(),
            Configure = silo => silo.Services.AddSingleton<IMembershipTable>(Table),
        };
        var silo = new OrleansSilo(change?.Invoke(settings) ?? settings, Loggers, TimeProvider.System);
        silos.Add(silo);
        return silo;
    }

    /// <summary>A silo that is active.</summary>
    public async Task<OrleansSilo> StartAsync(string name, string role = "worker", Func<OrleansSiloSettings, OrleansSiloSettings>? change = null)
    {
        OrleansSilo silo = Create(name, role, change);
        await silo.StartAsync(Patience.Token);
        await silo.WaitForIncarnationAsync(0, Patience.Token).Soon();
        return silo;
    }

    /// <summary>Silos that are active and have heard each other's roles.</summary>
    public async Task<OrleansSilo[]> StartAsync(params IReadOnlyList<(string Name, string Role)> wanted)
    {
        OrleansSilo[] started = await Task.WhenAll(wanted.Select(one => StartAsync(one.Name, one.Role)));
        foreach (OrleansSilo silo in started) await silo.KnowsAsync(wanted.Count).Soon();
        return started;
    }

    /// <summary>A client that begins to connect.</summary>
    public async Task<OrleansClient> ConnectAsync()
    {
        var client = new OrleansClient(
            new OrleansClientSettings
            {
                Configuration = Configuration,
                Key = SharedKey,
                Certificate = Certificate,
                Configure = builder => builder.Services.AddSingleton<IGatewayListProvider>(Table),
            },
            Loggers, TimeProvider.System);
        clients.Add(client);
        await client.StartAsync(Patience.Token);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(clients.Select(client => client.StopAsync(CancellationToken.None)));
        foreach (OrleansClient client in clients) client.Dispose();
        await Task.WhenAll(silos.Select(silo => silo.DisposeAsync().AsTask()));
    }

    private static ILoggerFactory Loggers { get; } = Environment.GetEnvironmentVariable("LLAMA_TEST_LOG") is { } level
        ? LoggerFactory.Create(logging => logging.AddProcessLogging(verbose: false).AddOrleansLogging(verbose: level == "all"))
        : NullLoggerFactory.Instance;
}

internal static class TestSilosExtensions
{
    /// <summary>Waits until a silo knows so many active ones and their roles.</summary>
    public static async Task<ClusterView> KnowsAsync(this OrleansSilo silo, int count)
    {
        ClusterView view = silo.View;
        while (view.Silos.Count(one => one is { Status: SiloStatus.Active, Role: not null }) != count)
            view = await silo.WaitForChangeAsync(view.Version, Patience.Token);
        return view;
    }

    /// <summary>Calls until it succeeds.</summary>
    public static async Task<T> InsistAsync<T>(Func<Task<T>> call)
    {
        while (true)
        {
            try
            {
                return await call();
            }
            catch (Exception e) when (e is OrleansException or TimeoutException)
            {
                await Task.Delay(10, Patience.Token);
            }
        }
    }
}
