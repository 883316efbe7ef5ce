using System.Collections.Immutable;

namespace Llama.Grains.Hosting;

/// <summary>
/// The silos of the cluster as this process knows them: of each name the newest that is not dead. A view never changes; the next has a
/// higher version. It outlives the incarnations of this process as a silo: between two of them the last view stays.
/// </summary>
/// <param name="Version">Counts the views of this process; it has nothing to do with the version of Orleans' membership table.</param>
/// <param name="Silos">The silos, in ordinal order of their names.</param>
public sealed record ClusterView(long Version, ImmutableArray<SiloMember> Silos)
{
    /// <summary>The view before the first incarnation is active.</summary>
    public static ClusterView Empty { get; } = new(0, []);

    /// <summary>The silo of a name, or null.</summary>
    public SiloMember? Find(string name)
    {
        foreach (SiloMember silo in Silos)
        {
            if (silo.Name == name) return silo;
        }

        return null;
    }
}

/// <summary>A silo in a <see cref="ClusterView"/>.</summary>
/// <param name="Name">Its name, which it keeps over incarnations.</param>
/// <param name="Address">Where it is, and which incarnation (the generation).</param>
/// <param name="Status">Its status in the membership table; never Dead.</param>
/// <param name="Role">What it is for; null as long as this process has not heard it, which takes a moment after it became active.</param>
/// <param name="Version">Version of its program; null like the role.</param>
public sealed record SiloMember(string Name, SiloAddress Address, SiloStatus Status, string? Role, string? Version);
