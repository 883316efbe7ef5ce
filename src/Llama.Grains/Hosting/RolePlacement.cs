using Orleans.Metadata;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Llama.Grains.Hosting;

/// <summary>Places a grain on the silo of a role that has been a member for longest; a call fails while there is none.</summary>
/// <param name="role">The role (<see cref="OrleansSiloSettings.Role"/>).</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class RolePlacementAttribute(string role) : PlacementAttribute(new RolePlacement(role))
{
    /// <summary>The role.</summary>
    public string Role => role;
}

/// <summary>The role that a grain class wants. It travels as a property of the class.</summary>
internal sealed class RolePlacement : PlacementStrategy
{
    private const string RoleProperty = "llama.placement.role";

    /// <summary>For Orleans, which calls <see cref="Initialize"/> then.</summary>
    public RolePlacement()
    {
    }

    /// <summary>A placement for a role.</summary>
    public RolePlacement(string role) => Role = role;

    /// <summary>The role.</summary>
    public string Role { get; private set; } = string.Empty;

    /// <inheritdoc/>
    public override void Initialize(GrainProperties properties) => Role = properties.Properties.GetValueOrDefault(RoleProperty) ?? string.Empty;

    /// <inheritdoc/>
    public override void PopulateGrainProperties(
        IServiceProvider services, Type grainClass, GrainType grainType, Dictionary<string, string> properties)
    {
        properties[RoleProperty] = Role;
        base.PopulateGrainProperties(services, grainClass, grainType, properties);
    }
}

/// <summary>
/// Chooses the silo of a role that has been a member for longest: the silo that had the grain has it again while it lives, also when the grain's
/// entry in the directory was lost with another silo.
/// </summary>
internal sealed class RoleDirector(IClusterManifestProvider manifests) : IPlacementDirector
{
    /// <inheritdoc/>
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        SiloAddress[] silos = context.GetCompatibleSilos(target);
        ClusterManifest manifest = manifests.Current;
        string role = ((RolePlacement)strategy).Role;
        return silos.Where(silo => SiloProperties.Of(manifest, silo).Role == role).OrderBy(silo => silo.Generation).ThenBy(silo => silo)
                .FirstOrDefault() is { } oldest
            ? Task.FromResult(oldest)
            : throw new SiloUnavailableException($"No silo of the role '{role}' is active.");
    }
}
