using System.Collections.Immutable;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Metadata;

namespace Llama.Grains.Hosting;

/// <summary>Keeps the process's <see cref="ClusterView"/> up to date from what one incarnation hears.</summary>
/// <param name="view">The view.</param>
/// <param name="services">Services of the incarnation's host.</param>
/// <param name="self">The incarnation's address.</param>
internal sealed class ClusterViewFeed(Published<ClusterView> view, IServiceProvider services, SiloAddress self)
{
    private readonly IClusterMembershipService membership = services.GetRequiredService<IClusterMembershipService>();
    private readonly IClusterManifestProvider manifests = services.GetRequiredService<IClusterManifestProvider>();

    /// <summary>Publishes views until the incarnation ends.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Publish();
        await Task.WhenAll(
            FollowAsync(membership.MembershipUpdates, cancellationToken), FollowAsync(manifests.Updates, cancellationToken))
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task FollowAsync<T>(IAsyncEnumerable<T> updates, CancellationToken cancellationToken)
    {
        await foreach (T _ in updates.WithCancellation(cancellationToken).ConfigureAwait(false)) Publish();
    }

    private void Publish() => view.Update(last =>
    {
        ClusterMembershipSnapshot snapshot = membership.CurrentSnapshot;

        // One that has read its own death is about to end, and has nothing more to say.
        if (snapshot.GetSiloStatus(self) == SiloStatus.Dead) return last;
        ClusterManifest manifest = manifests.Current;
        ImmutableArray<SiloMember> silos =
        [
            .. snapshot.Members.Values
                .Where(member => member.Status is not (SiloStatus.None or SiloStatus.Dead))
                .GroupBy(member => member.Name, StringComparer.Ordinal)
                .Select(group => group.MaxBy(member => member.SiloAddress.Generation)!)
                .OrderBy(member => member.Name, StringComparer.Ordinal)
                .Select(member => Describe(member, manifest, last)),
        ];
        return silos.SequenceEqual(last.Silos) ? last : new ClusterView(last.Version + 1, silos);
    });

    /// <summary>A new incarnation hears manifests anew; what the last one heard of the same incarnation of a silo stays true.</summary>
    private static SiloMember Describe(ClusterMember member, ClusterManifest manifest, ClusterView last)
    {
        (string? role, string? version) = SiloProperties.Of(manifest, member.SiloAddress);
        if (role is null && last.Find(member.Name) is { } known && known.Address.Equals(member.SiloAddress))
            (role, version) = (known.Role, known.Version);
        return new SiloMember(member.Name, member.SiloAddress, member.Status, role, version);
    }
}
