using Llama.Gateway.Api.Cluster;
using Llama.Grains.Answers;
using Llama.Grains.Certificates;
using Llama.Grains.Gateway;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Membership.Http;
using Llama.Grains.Silos;
using Llama.Grains.Stages;
using Llama.Grains.Text;
using Llama.Model.Machine;
using Llama.ServiceDefaults;

namespace Llama.Gateway;

/// <summary>Where the tokens come from: a device of this process, the silos of a cluster, or a gateway silo of a cluster.</summary>
internal static class PipelineServices
{
    /// <summary>For a gateway that serves alone, with a device of its own.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="device">What the device is started with.</param>
    public static void AddOwnPipelines(this IServiceCollection services, SiloSettings device)
    {
        services.AddSingleton(provider => new SiloNode(device, Logger(provider)));
        services.AddSingleton<LocalSilos>();
        services.AddSingleton(provider => Local(provider, provider.GetRequiredService<LocalSilos>(), provider.GetRequiredService<LocalSilos>()));
        services.AddSingleton<IGateway>(provider => provider.GetRequiredService<LocalGateway>());
    }

    /// <summary>For a gateway of a cluster: this process is a silo without devices, and owns the pipelines when the cluster says so.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="options">What the process was told.</param>
    /// <param name="identity">This process on links.</param>
    public static void AddSharedPipelines(this IServiceCollection services, GatewayOptions options, LinkIdentity identity)
    {
        var self = new SiloProcess(options.Name, $"{Guid.NewGuid()}");
        bool dashboard = options.OrleansDashboard && Descriptors.SufficeForTelemetry;
        if (dashboard) services.AddSingleton(provider => new OrleansPage(Silo(provider)));
        services.AddSingleton(self);
        services.AddSingleton(provider => new ClusterMembership(
            options, SiloPlace.Of(options.Host, options.Advertise, options.ClusterPort, options.FrontPort), SiloRoles.Gateway, identity,
            provider.GetRequiredService<ILoggerFactory>(),
            silo =>
            {
                silo.Services
                    .AddSingleton(provider.GetRequiredService<LocalGateway>())
                    .AddSingleton(provider.GetRequiredService<TokenFeeds>())
                    .AddSingleton(provider.GetRequiredService<TokenizerService>())
                    .AddSingleton(self);
                if (dashboard) OrleansDashboard.AddTo(silo);
            }));
        services.AddSingleton(provider => new ClusterSilos(Silo(provider), Time(provider), Logger(provider)));
        services.AddSingleton(provider => new GrainAnswers(() => Silo(provider).Grains));
        services.AddSingleton(provider => Local(provider, provider.GetRequiredService<ClusterSilos>(), provider.GetRequiredService<GrainAnswers>()));
        services.AddSingleton(provider => new TokenFeeds(provider.GetRequiredService<LocalGateway>(), Time(provider)));
        services.AddSingleton(provider => new TokenizerService(provider.GetRequiredService<LocalModel>()));
        services.AddSingleton<IGateway>(provider => new SharedGateway(
            provider.GetRequiredService<LocalGateway>(),
            heard => new RemoteGateway(
                Model(provider),
                new GatewayRoute
                {
                    Grain = () => Silo(provider).Grains.GetGrain<IGatewayGrain>(Model(provider)),
                    Fingerprint = () => identity.Model.Fingerprint,
                },
                provider.GetRequiredService<GrainAnswers>(), options.RecoveryTimeout, Time(provider), Logger(provider), heard),
            self));
        services.AddHostedService(Silo);
        services.AddHostedService(provider => (SharedGateway)provider.GetRequiredService<IGateway>());
    }

    /// <summary>For a front: this process is a client of a cluster, and has nothing but what that tells it.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="options">What the process was told.</param>
    /// <param name="key">The cluster key; empty for none.</param>
    /// <param name="certificate">What the process shows on TLS; null for no TLS.</param>
    public static void AddFront(
        this IServiceCollection services, GatewayOptions options, ReadOnlyMemory<byte> key, ProcessCertificate? certificate)
    {
        services.AddSingleton(provider => new ClusterClient(options, key, certificate, provider.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton(provider => new RemoteModel(
            () => Client(provider).Grains.GetGrain<ITokenizerGrain>(ITokenizerGrain.AnyModel), () => Client(provider).Unreachable,
            options.RecoveryTimeout, Time(provider), Logger(provider)));
        services.AddSingleton<IModelSource>(provider => provider.GetRequiredService<RemoteModel>());
        services.AddSingleton<IGateway>(provider => new RemoteGateway(
            string.Empty,
            new GatewayRoute
            {
                Grain = () => Client(provider).Grains.GetGrain<IGatewayGrain>(provider.GetRequiredService<RemoteModel>().Shape.Name),
                Fingerprint = () => provider.GetRequiredService<RemoteModel>().Shape.Fingerprint,
                Unreachable = () => Client(provider).Unreachable,
            },
            new GrainAnswers(() => Client(provider).Grains), options.RecoveryTimeout, Time(provider), Logger(provider)));
        services.AddHostedService(Client);
        services.AddHostedService(provider => provider.GetRequiredService<RemoteModel>());
    }

    /// <summary>Begins to open pipelines, and serves the membership document to silos that join through this gateway.</summary>
    public static void UsePipelines(this WebApplication application)
    {
        IServiceProvider services = application.Services;
        services.GetRequiredService<IGateway>();
        if (services.GetService<SiloNode>() is not null) services.GetRequiredService<LocalGateway>().Own();
        if (services.GetService<ClusterMembership>()?.Document is not { } document) return;
        LinkIdentity self = services.GetRequiredService<LinkIdentity>();
        var endpoint = new MembershipEndpoint(
            document, self.Credentials.Key, self.Credentials.Certificate is not null, Time(services), services.GetRequiredService<ILogger<MembershipEndpoint>>());
        application.Map(MembershipEndpoint.Path, endpoint.InvokeAsync);
    }

    private static string Model(IServiceProvider provider) => provider.GetRequiredService<ClusterSettings>().ModelName;

    private static OrleansSilo Silo(IServiceProvider provider) => provider.GetRequiredService<ClusterMembership>().Silo;

    private static OrleansClient Client(IServiceProvider provider) => provider.GetRequiredService<ClusterClient>().Client;

    private static LocalGateway Local(IServiceProvider provider, ISilos silos, IAnswerSilos answers) =>
        new(provider.GetRequiredService<ClusterSettings>(), silos, answers, Time(provider), Logger(provider));

    private static TimeProvider Time(IServiceProvider provider) => provider.GetRequiredService<TimeProvider>();

    private static ILogger Logger(IServiceProvider provider) => provider.GetRequiredService<ILoggerFactory>().CreateLogger("Llama.Gateway");
}
