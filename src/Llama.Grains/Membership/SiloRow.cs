using System.Text.Json.Serialization;

namespace Llama.Grains.Membership;

/// <summary>A silo in the document: Orleans' <see cref="MembershipEntry"/>, and what this project adds to it.</summary>
internal sealed record SiloRow
{
    /// <summary>How long a dead silo stays in the document.</summary>
    public static readonly TimeSpan DeadLifetime = TimeSpan.FromMinutes(10);

    public required SiloAddress Silo { get; init; }

    [JsonConverter(typeof(JsonStringEnumConverter<SiloStatus>))]
    public required SiloStatus Status { get; init; }

    public required string Name { get; init; }

    public required string HostName { get; init; }

    public string? Role { get; init; }

    public int ProxyPort { get; init; }

    public DateTime Started { get; init; }

    public DateTime Alive { get; init; }

    public required IReadOnlyList<Suspicion> Suspicions { get; init; }

    /// <summary>Changes with every change of the row but that of <see cref="Alive"/>.</summary>
    public required string ETag { get; init; }

    /// <summary>The process that wrote the row first, which is the silo's own.</summary>
    public ProcessMark? Process { get; init; }

    /// <summary>Which key and authority the silo has.</summary>
    public RealmMark? Realm { get; init; }

    /// <summary>When it was declared dead, by the clock of the declaring process.</summary>
    public DateTime? Died { get; init; }

    /// <summary>Whether no more is known of the silo than that it is there: other silos have told so.</summary>
    [JsonIgnore]
    public bool IsSketch => HostName.Length == 0;

    /// <summary>A silo that others have told of, and whose row was not read.</summary>
    /// <param name="member">What was told.</param>
    /// <param name="now">The time.</param>
    /// <param name="realm">Key and authority of this cluster.</param>
    public static SiloRow Sketch(ClusterMember member, DateTimeOffset now, RealmMark realm)
    {
        var row = Of(new MembershipEntry { SiloAddress = member.SiloAddress, SiloName = member.Name, Status = member.Status }, null, realm);
        return member.Status == SiloStatus.Dead ? row.Dead(now) : row;
    }

    /// <summary>A row as Orleans wants it.</summary>
    /// <param name="entry">What Orleans says.</param>
    /// <param name="process">The silo's process, where it is known.</param>
    /// <param name="realm">The silo's key and authority.</param>
    public static SiloRow Of(MembershipEntry entry, ProcessMark? process, RealmMark? realm) => new()
    {
        Silo = entry.SiloAddress,
        Status = entry.Status,
        Name = entry.SiloName ?? string.Empty,
        HostName = entry.HostName ?? string.Empty,
        Role = entry.RoleName,
        ProxyPort = entry.ProxyPort,
        Started = entry.StartTime,
        Alive = entry.IAmAliveTime,
        Suspicions = [.. (entry.SuspectTimes ?? []).Select(one => new Suspicion(one.Item1, one.Item2))],
        ETag = MembershipState.NewId(),
        Process = process,
        Realm = realm,
    };

    /// <summary>The row as Orleans reads it.</summary>
    public MembershipEntry ToEntry() => new()
    {
        SiloAddress = Silo,
        Status = Status,
        SiloName = Name,
        HostName = HostName,
        RoleName = Role,
        ProxyPort = ProxyPort,
        StartTime = Started,
        IAmAliveTime = Alive,
        SuspectTimes = [.. Suspicions.Select(one => Tuple.Create(one.By, one.Time))],
    };

    /// <summary>The row of a silo that is declared dead, also one whose death was known before.</summary>
    /// <param name="now">The time.</param>
    public SiloRow Dead(DateTimeOffset now) =>
        this with { Status = SiloStatus.Dead, ETag = MembershipState.NewId(), Died = Died ?? now.UtcDateTime };

    /// <summary>Joins two rows of the silo: the higher status, and the one that is no sketch.</summary>
    /// <param name="found">The other, which is given back where this adds nothing.</param>
    public SiloRow UnionWith(SiloRow found)
    {
        bool isWhole = found.IsSketch && !IsSketch;
        SiloRow newer = Status > found.Status || (isWhole && Status == found.Status) ? this : found;
        return newer == found && !isWhole
            ? found
            : (isWhole ? this : found) with
            {
                Status = newer.Status, Suspicions = newer.Suspicions, Died = newer.Died, ETag = MembershipState.NewId(),
            };
    }

    /// <summary>Whether the silo died so long ago that nobody needs its row.</summary>
    /// <param name="now">The time.</param>
    public bool IsOver(DateTimeOffset now) => Status == SiloStatus.Dead && now.UtcDateTime - Died > DeadLifetime;
}

/// <summary>A silo's vote that another is dead.</summary>
/// <param name="By">Who votes.</param>
/// <param name="Time">When.</param>
internal sealed record Suspicion(SiloAddress By, DateTime Time);
