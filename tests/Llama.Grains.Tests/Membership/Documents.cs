using Llama.Grains.Membership;
using Microsoft.Extensions.Configuration;

namespace Llama.Grains.Tests.Membership;

/// <summary>Opens documents as a process does, by its configuration.</summary>
internal static class Documents
{
    public static IMembershipDocument Open(string cluster, MembershipSecrets? secrets = null) => Open(ClusterAddress.Parse(cluster), secrets);

    public static IMembershipDocument Open(ClusterAddress cluster, MembershipSecrets? secrets = null) => MembershipProviders.Open(
        new ConfigurationBuilder().AddInMemoryCollection(cluster.ToConfiguration()).Build(), secrets ?? new MembershipSecrets(),
        TimeProvider.System)!;
}
