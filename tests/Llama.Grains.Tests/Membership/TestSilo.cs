using System.Net;
using Llama.Grains.Hosting;
using Llama.Grains.Membership;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Configuration;

namespace Llama.Grains.Tests.Membership;

/// <summary>A real silo with a view of its own, as a process has one, and a document that outlives its hosts.</summary>
internal sealed class TestSilo : IAsyncDisposable
{
    private static readonly TimeSpan EndDeadline = TimeSpan.FromSeconds(1);

    private readonly HealingDocument document;
    private readonly IHost host;

    private TestSilo(IHost host, HealingDocument document)
    {
        this.host = host;
        this.document = document;
    }

    public SiloAddress Address => host.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress;

    public IGrainFactory Grains => host.Services.GetRequiredService<IGrainFactory>();

    public IClusterMembershipService Membership => host.Services.GetRequiredService<IClusterMembershipService>();

    /// <summary>Completes when Orleans wants the process to end.</summary>
    public Task<string> Ended => host.Services.GetRequiredService<EndedHandler>().Ended.Task;

    /// <summary>Who is active, as this silo sees it.</summary>
    public IEnumerable<SiloAddress> Active =>
        Membership.CurrentSnapshot.Members.Values.Where(member => member.Status == SiloStatus.Active).Select(member => member.SiloAddress);

    /// <summary>A silo that is not started yet.</summary>
    public static TestSilo Build(string name, ClusterAddress cluster, MembershipSecrets? secrets = null)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(cluster.ToConfiguration());
        secrets ??= new MembershipSecrets();
        IMembershipDocument store = MembershipProviders.Open(builder.Configuration, secrets, TimeProvider.System)!;
        var document = new HealingDocument(store, secrets, TimeProvider.System, NullLogger<HealingDocument>.Instance);
        builder.Services.AddMembership(document, secrets);
        builder.UseOrleans(silo =>
        {
            silo.Configure<SiloOptions>(options => options.SiloName = name);
            silo.ConfigureEndpoints(IPAddress.Loopback, FreePort.Choose(), FreePort.Choose());

            // A silo that hangs for a while, as on a busy machine, is none that these tests are about.
            silo.Configure<ClusterMembershipOptions>(options => options.NumMissedProbesLimit = 10);
            silo.Services.AddSingleton<EndedHandler>();
            silo.Services.AddSingleton<IFatalErrorHandler>(services => services.GetRequiredService<EndedHandler>());
        });
        return new TestSilo(builder.Build(), document);
    }

    public Task StartAsync() => host.StartAsync(Patience.Token);

    public static async Task<TestSilo> StartAsync(string name, ClusterAddress cluster, MembershipSecrets? secrets = null)
    {
        TestSilo silo = Build(name, cluster, secrets);
        await silo.StartAsync().Soon();
        return silo;
    }

    /// <summary>
    /// Ends it as an outer host does: while the store is away Orleans tries for minutes to write that it ends, so the host is left behind
    /// then. It is not disposed before it has stopped: a loop of Orleans that is still there would spin for ever.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        Task stopping = host.StopAsync(now.Token);
        if (await Task.WhenAny(stopping, Task.Delay(EndDeadline)) == stopping) await ((IAsyncDisposable)host).DisposeAsync();
        document.Dispose();
    }

    private sealed class EndedHandler : IFatalErrorHandler
    {
        public TaskCompletionSource<string> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsUnexpected(Exception exception) => true;

        public void OnFatalException(object? sender, string? context, Exception? exception) => Ended.TrySetResult($"{context} {exception}");
    }
}
