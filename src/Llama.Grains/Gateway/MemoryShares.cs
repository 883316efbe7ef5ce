using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <summary>
/// Divides the memory that several silos take theirs from: those that were told how much get that, and the others equal shares of the rest.
/// </summary>
internal static class MemoryShares
{
    /// <summary>The silos with the bytes that a plan counts on, which are never more than a silo announced.</summary>
    /// <param name="silos">All silos that there are, with or without layers.</param>
    public static IReadOnlyList<Member> Of(IReadOnlyList<Member> silos)
    {
        Dictionary<string, long> shares = silos.Where(silo => silo.SharedMemory is not null).GroupBy(silo => silo.SharedMemory!)
            .ToDictionary(memory => memory.Key, Share);
        return [.. silos.Select(silo => silo is { SharedMemory: { } memory, IsMemoryGiven: false }
            ? silo with { MemoryBytes = Math.Min(silo.MemoryBytes, shares[memory]) }
            : silo)];
    }

    /// <summary>What each silo that was not told may take, at least a byte: one without any would be no silo.</summary>
    private static long Share(IEnumerable<Member> silos)
    {
        Member[] others = [.. silos.Where(silo => !silo.IsMemoryGiven)];
        if (others.Length == 0) return 0;
        double given = silos.Where(silo => silo.IsMemoryGiven).Sum(silo => (double)silo.MemoryBytes);
        return (long)Math.Max(1, (others.Min(silo => silo.MemoryBytes) - given) / others.Length);
    }
}
