namespace Llama.Grains.Links;

/// <summary>Versions of the link protocol, from the oldest to the newest.</summary>
/// <param name="Oldest">The oldest.</param>
/// <param name="Newest">The newest.</param>
public readonly record struct VersionRange(int Oldest, int Newest)
{
    /// <summary>The highest version of both ranges; null when they have none in common.</summary>
    public int? Common(VersionRange other)
    {
        int highest = Math.Min(Newest, other.Newest);
        return highest >= Math.Max(Oldest, other.Oldest) ? highest : null;
    }

    /// <inheritdoc/>
    public override string ToString() => Oldest == Newest ? $"{Oldest}" : $"{Oldest} to {Newest}";
}

/// <summary>
/// What this release speaks on links. A change of the form of a frame adds a version, and keeps those before it as long as a rolling
/// upgrade may meet them; what may be there or not is a feature, or an optional part of a step.
/// </summary>
public static class LinkProtocol
{
    /// <summary>The versions. Those before 9 were not negotiated.</summary>
    public static VersionRange Versions { get; } = new(9, 9);

    /// <summary>Names of what this release understands beyond the versions; both sides use what both have.</summary>
    public static IReadOnlyList<string> Features { get; } = [];
}
