using Orleans.Metadata;

namespace Llama.Grains.Hosting;

/// <summary>
/// Writes a silo's role and version into its manifest, the list of grain classes that it tells the others, as properties of each class.
/// Nothing is placed on a silo before its manifest is known, and Orleans fetches that again until it has it: so placement always knows
/// the role of a silo that it may choose. Orleans' own silo metadata are fetched once a change of membership, and a failure leaves a
/// silo without them until the next.
/// </summary>
/// <param name="role">What the silo is for.</param>
/// <param name="version">Version of its program.</param>
internal sealed class SiloProperties(string role, string version) : IGrainPropertiesProvider
{
    private const string Role = "llama.silo.role";
    private const string Version = "llama.silo.version";

    /// <inheritdoc/>
    public void Populate(Type grainClass, GrainType grainType, Dictionary<string, string> properties)
    {
        properties[Role] = role;
        properties[Version] = version;
    }

    /// <summary>What a silo has told; nulls where its manifest is not known.</summary>
    public static (string? Role, string? Version) Of(ClusterManifest manifest, SiloAddress silo)
    {
        if (!manifest.Silos.TryGetValue(silo, out GrainManifest? told)) return default;
        GrainProperties? properties = told.Grains.Values.FirstOrDefault();
        return (properties?.Properties.GetValueOrDefault(Role), properties?.Properties.GetValueOrDefault(Version));
    }
}
