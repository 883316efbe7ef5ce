using Llama.Grains.Membership;
using Llama.Grains.Membership.Etcd;
using Llama.Grains.Membership.Files;
using Llama.Grains.Membership.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Clustering.Redis;
using Orleans.Messaging;
using Orleans.Providers;

[assembly: RegisterProvider(ClusterAddress.Files, "Clustering", "Silo", typeof(MembershipProviderBuilder))]
[assembly: RegisterProvider(ClusterAddress.Files, "Clustering", "Client", typeof(MembershipProviderBuilder))]
[assembly: RegisterProvider(ClusterAddress.Gateway, "Clustering", "Silo", typeof(MembershipProviderBuilder))]
[assembly: RegisterProvider(ClusterAddress.Gateway, "Clustering", "Client", typeof(MembershipProviderBuilder))]
[assembly: RegisterProvider(ClusterAddress.Etcd, "Clustering", "Silo", typeof(MembershipProviderBuilder))]
[assembly: RegisterProvider(ClusterAddress.Etcd, "Clustering", "Client", typeof(MembershipProviderBuilder))]

namespace Llama.Grains.Membership;

/// <summary>Opens the document that Orleans' configuration names, and gives it to the hosts of a process.</summary>
public static class MembershipProviders
{
    private const string Section = "Orleans:Clustering";

    /// <summary>
    /// Opens the document of a process. The process keeps it, in a <see cref="HealingDocument"/> and in a <see cref="MembershipEndpoint"/>
    /// if it serves it, for as long as it lives, and gives it to each inner host (<see cref="AddMembership"/>).
    /// </summary>
    /// <param name="configuration">With the section <c>Orleans</c>.</param>
    /// <param name="secrets">What is shown to the store.</param>
    /// <param name="time">The clock.</param>
    /// <returns>Null for a store of another provider, as Redis.</returns>
    /// <exception cref="InvalidDataException">The section does not say where the document is, or the store cannot be used so.</exception>
    public static IMembershipDocument? Open(IConfiguration configuration, MembershipSecrets secrets, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        IConfigurationSection section = configuration.GetSection(Section);
        string clusterId = configuration["Orleans:ClusterId"] ?? ClusterAddress.DefaultClusterId;
        string? connection = section["ConnectionString"]
            ?? ((section["ConnectionName"] ?? section["ServiceKey"]) is { } name ? configuration.GetConnectionString(name) : null);
        return section["ProviderType"] switch
        {
            ClusterAddress.Files => new FileDocument(connection ?? FileDocument.DefaultRoot, clusterId, time),
            ClusterAddress.Gateway when connection is null => new MemoryDocument(),
            ClusterAddress.Gateway => new GatewayDocument(UriOf(connection), secrets, time),
            ClusterAddress.Etcd => new EtcdDocument(EtcdOf(connection), clusterId, secrets),
            _ => null,
        };
    }

    /// <summary>Gives an inner host what the process has: the document, which is not disposed with the host, or what Redis asks for.</summary>
    /// <param name="services">The inner host's services.</param>
    /// <param name="document">The process's document; null for a store of another provider.</param>
    /// <param name="secrets">What is shown to the store.</param>
    public static IServiceCollection AddMembership(
        this IServiceCollection services, HealingDocument? document, MembershipSecrets secrets)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        return document is null ? AddRedisSecrets(services, secrets) : services.AddSingleton(document);
    }

    /// <summary>Apart from its caller, so that Redis' assemblies are loaded only where Redis may be used.</summary>
    private static IServiceCollection AddRedisSecrets(IServiceCollection services, MembershipSecrets secrets) =>
        services.PostConfigure<RedisClusteringOptions>(options =>
        {
            if (options.ConfigurationOptions is not { } redis) return;
            if (secrets.Login is { } login) (redis.User, redis.Password) = (login.User, login.Password);
            if (redis.Ssl && secrets.Certificate is { } certificate)
                redis.SslClientAuthenticationOptions = _ => certificate.ForDialler(checkName: true, _ => { });
        });

    private static Uri UriOf(string connection) =>
        Uri.TryCreate(connection, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new InvalidDataException($"{Section}:ConnectionString: '{connection}' is no address of a gateway");

    private static EtcdAddress EtcdOf(string? connection)
    {
        string fault = "is missing";
        return connection is not null && EtcdAddress.TryParse(connection, out EtcdAddress? address, out fault!)
            ? address
            : throw new InvalidDataException($"{Section}:ConnectionString: '{connection}' {fault}; expected etcd://host:port or etcds://host:port");
    }
}

/// <summary>
/// What Orleans calls where the configuration names one of this project's stores. The document is the one that the process has given to the
/// host, so that it is one for all inner hosts; a host that was given none opens its own.
/// </summary>
internal sealed class MembershipProviderBuilder : IProviderBuilder<ISiloBuilder>, IProviderBuilder<IClientBuilder>
{
    /// <inheritdoc/>
    public void Configure(ISiloBuilder builder, string? name, IConfigurationSection configurationSection)
    {
        AddDocument(builder.Services, builder.Configuration);
        builder.Services.AddSingleton<DocumentMembershipTable>();
        builder.Services.AddSingleton<IMembershipTable>(services => services.GetRequiredService<DocumentMembershipTable>());
        builder.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, MembershipPoll>();
    }

    /// <inheritdoc/>
    public void Configure(IClientBuilder builder, string? name, IConfigurationSection configurationSection)
    {
        AddDocument(builder.Services, builder.Configuration);
        builder.Services.AddSingleton<IGatewayListProvider, DocumentGatewayListProvider>();
    }

    private static void AddDocument(IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(new MembershipSecrets());
        services.TryAddSingleton(provider => ActivatorUtilities.CreateInstance<HealingDocument>(
            provider,
            MembershipProviders.Open(
                configuration, provider.GetRequiredService<MembershipSecrets>(), provider.GetRequiredService<TimeProvider>())!));
    }
}
