using Llama.Grains.Stages;

namespace Llama.Grains.Silos;

/// <summary>The silos with devices at one moment.</summary>
/// <param name="Version">Grows with every change that this process hears of.</param>
/// <param name="Members">The silos that are there, by name.</param>
/// <param name="Faults">What is wrong with others, a sentence each: they are not planned with.</param>
public sealed record SilosView(long Version, IReadOnlyList<Member> Members, IReadOnlyList<string> Faults)
{
    /// <summary>Nobody, before anybody was heard of.</summary>
    public static SilosView Empty { get; } = new(0, [], []);
}
