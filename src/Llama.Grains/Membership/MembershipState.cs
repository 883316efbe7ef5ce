using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Llama.Grains.Membership;

/// <summary>What a membership document says, as an immutable value.</summary>
internal sealed record MembershipState
{
    private const int MaxWrites = 128;

    /// <summary>What is said where there is no document.</summary>
    public static readonly MembershipState None = new() { Version = 0, ETag = "0", Writes = [], Rows = [] };

    /// <summary>Grows with every change of the rows but that of <see cref="SiloRow.Alive"/>.</summary>
    public required int Version { get; init; }

    /// <summary>Changes with the version.</summary>
    public required string ETag { get; init; }

    /// <summary>Names of the last writes, the newest last.</summary>
    public required IReadOnlyList<string> Writes { get; init; }

    /// <summary>One row for each silo.</summary>
    public required IReadOnlyList<SiloRow> Rows { get; init; }

    /// <summary>A random name for a write, a version or a row.</summary>
    public static string NewId() => Convert.ToHexString(RandomNumberGenerator.GetBytes(6));

    /// <summary>Reads a document; null where the text is none.</summary>
    public static MembershipState? TryParse(string text)
    {
        try
        {
            MembershipState? state = JsonSerializer.Deserialize(text, MembershipJson.Default.MembershipState);
            return state is { Version: > 0, Writes.Count: > 0 } && state.Rows.DistinctBy(row => row?.Silo).Count() == state.Rows.Count
                && !state.Rows.Contains(null) && !state.Writes.Contains(null) ? state : null;
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            return null;
        }
    }

    /// <summary>The document's text.</summary>
    public string ToText() => JsonSerializer.Serialize(this, MembershipJson.Default.MembershipState);

    /// <summary>The row of a silo, if it has one.</summary>
    public SiloRow? Find(SiloAddress silo) => Rows.FirstOrDefault(row => row.Silo.Equals(silo));

    /// <summary>Whether this came of an earlier state by the writes since. After more than 128 of them nobody can tell, and it is false.</summary>
    /// <param name="earlier">A state that was read or written.</param>
    public bool Continues(MembershipState earlier) => Writes.Contains(earlier.Writes[^1]);

    /// <summary>The state with another row in the place of a silo's; the version stays.</summary>
    public MembershipState With(SiloRow changed) =>
        this with { Rows = [.. Rows.Select(row => row.Silo.Equals(changed.Silo) ? changed : row)] };

    /// <summary>The next version, without the rows of silos that died long ago.</summary>
    /// <param name="now">The time.</param>
    public MembershipState Next(DateTimeOffset now) =>
        this with { Version = Version + 1, ETag = NewId(), Rows = [.. Rows.Where(row => !row.IsOver(now))] };

    /// <summary>What is written by one write.</summary>
    /// <param name="writeId">The write's name.</param>
    public MembershipState WrittenBy(string writeId) => this with { Writes = [.. Writes.TakeLast(MaxWrites - 1), writeId] };

    /// <summary>The state without the rows of other clusters that share the document.</summary>
    /// <param name="realm">This cluster.</param>
    public MembershipState Of(MembershipRealm realm) => this with { Rows = [.. Rows.Where(realm.Has)] };

    /// <summary>The rows and the version as Orleans reads them.</summary>
    /// <param name="only">Just the row of this silo; null for all.</param>
    public MembershipTableData ToData(SiloAddress? only = null) => new(
        [.. Rows.Where(row => only is null || row.Silo.Equals(only)).Select(row => Tuple.Create(row.ToEntry(), row.ETag))],
        new TableVersion(Version, ETag));

    /// <summary>
    /// Joins what a process knew with what it finds, where the one does not follow from the other: a document that was lost, replaced, or
    /// set back. The rows of both, of two rows of a silo the higher status, since a status only grows, and the one that is no sketch; a
    /// version above both.
    /// </summary>
    /// <param name="known">What the process knew.</param>
    /// <param name="found">What it finds; null where there is no document.</param>
    /// <param name="now">The time.</param>
    /// <returns>Null where what is found lacks nothing and is not older; of the same version it is the same.</returns>
    public static MembershipState? Union(MembershipState known, MembershipState? found, DateTimeOffset now)
    {
        var rows = (found ?? None).Rows.ToDictionary(row => row.Silo);
        bool complete = found is not null && (found.Version > known.Version || (found.Version == known.Version && found.ETag == known.ETag));
        foreach (SiloRow row in known.Rows.Where(row => !row.IsOver(now)))
        {
            SiloRow? other = rows.GetValueOrDefault(row.Silo);
            SiloRow whole = other is null ? row : row.UnionWith(other);
            if (whole == other) continue;
            rows[row.Silo] = whole;
            complete = false;
        }

        if (complete) return null;
        MembershipState newest = found is not null && found.Version > known.Version ? found : known;
        return (newest with { Rows = [.. rows.Values] }).Next(now);
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    IgnoreReadOnlyProperties = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(MembershipState))]
internal sealed partial class MembershipJson : JsonSerializerContext;
