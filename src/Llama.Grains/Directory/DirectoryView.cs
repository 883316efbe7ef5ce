namespace Llama.Grains.Directory;

/// <summary>The directory at one moment.</summary>
public sealed class DirectoryView
{
    /// <summary>A view of some entries.</summary>
    /// <param name="version">Counts the views that this process has seen.</param>
    /// <param name="entries">The entries by key.</param>
    public DirectoryView(long version, IReadOnlyDictionary<string, DirectoryEntry> entries)
    {
        Version = version;
        Entries = entries;
        var members = new List<Member>();
        var faults = new List<string>();
        foreach (DirectoryEntry entry in Entries.Values.Where(entry => entry.Key.StartsWith(Member.KeyPrefix, StringComparison.Ordinal)))
        {
            if (Member.TryParse(entry, out Member? member, out string? fault)) members.Add(member);
            else faults.Add(fault);
        }

        Members = [.. members.OrderBy(member => member.Name, NaturalOrder.Instance)];
        Faults = faults;
    }

    /// <summary>Grows with every change that this process hears of.</summary>
    public long Version { get; }

    /// <summary>The entries by key.</summary>
    public IReadOnlyDictionary<string, DirectoryEntry> Entries { get; }

    /// <summary>The silos that are alive, by name.</summary>
    public IReadOnlyList<Member> Members { get; }

    /// <summary>What is wrong with entries under the keys of silos, a sentence each: they are no members.</summary>
    public IReadOnlyList<string> Faults { get; }
}
