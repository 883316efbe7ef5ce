using Microsoft.Extensions.Logging;

namespace Llama.Grains.Directory;

/// <summary>How silos come into a directory.</summary>
public static class Membership
{
    /// <summary>Writes a member's entry once, for somebody who then renews its lease.</summary>
    /// <exception cref="DirectoryException">
    /// A member of this name is alive, what the member says of itself cannot be, or the directory cannot be asked.
    /// </exception>
    public static ILease Join(this IDirectory directory, Member member)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(member);
        if (member.Fault() is { } fault) throw new DirectoryException(fault);
        ILease lease = directory.Grant();
        if (directory.TryPut(member.Key, member.ToText(), 0, lease.Id, out DirectoryEntry? other)) return lease;
        lease.Dispose();
        throw new DirectoryException(Taken(member.Name, other));
    }

    /// <summary>Keeps a silo's entry in a directory, and up to date, until disposed of.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="member">What the silo says of itself at the moment; its name stays.</param>
    /// <param name="logger">Told when the silo is there and when it is not.</param>
    public static Presence Announce(this IDirectory directory, Func<Member> member, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(member);
        Member first = member();
        if (first.Fault() is { } fault) throw new DirectoryException(fault);
        return new Presence(
            directory, first.Key, () => member().ToText(),
            new PresenceWords($"Silo {first.Name} is in the directory", other => Taken(first.Name, other)), logger);
    }

    private static string Taken(string name, DirectoryEntry? other) =>
        other is not null && Member.TryParse(other, out Member? silo, out _)
            ? $"A silo named '{name}' is a member already (process {silo.ProcessId} at {silo.Address})."
            : $"A silo named '{name}' is a member already.";
}
