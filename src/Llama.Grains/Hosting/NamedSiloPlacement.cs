using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Llama.Grains.Hosting;

/// <summary>
/// Places a grain on the silo that its key names: a key is the name, or the name, a slash and more. A call fails with
/// <see cref="SiloUnavailableException"/> while no silo of the name is active.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class NamedSiloPlacementAttribute() : PlacementAttribute(new NamedSiloPlacement());

/// <summary>Marks the grain classes of <see cref="NamedSiloPlacementAttribute"/>.</summary>
internal sealed class NamedSiloPlacement : PlacementStrategy;

/// <summary>Finds the newest active silo of a name in the membership.</summary>
internal sealed class NamedSiloDirector(IClusterMembershipService membership) : IPlacementDirector
{
    /// <inheritdoc/>
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        string key = target.GrainIdentity.Key.ToString() ?? string.Empty;
        int slash = key.IndexOf('/', StringComparison.Ordinal);
        string name = slash < 0 ? key : key[..slash];
        SiloAddress? newest = null;
        foreach ((SiloAddress address, ClusterMember member) in membership.CurrentSnapshot.Members)
        {
            if (member.Status == SiloStatus.Active && member.Name == name && address.Generation > (newest?.Generation ?? int.MinValue))
                newest = address;
        }

        if (newest is null) throw new SiloUnavailableException($"No silo named '{name}' is active.");
        return context.GetCompatibleSilos(target).Contains(newest)
            ? Task.FromResult(newest)
            : throw new SiloUnavailableException($"The silo '{name}' has not told yet that it hosts {target.GrainIdentity.Type}.");
    }
}
