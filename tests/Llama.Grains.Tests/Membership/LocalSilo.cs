using System.Net;

namespace Llama.Grains.Tests.Membership;

/// <summary>A silo that is only named.</summary>
internal sealed class LocalSilo(int number) : ILocalSiloDetails
{
    public string Name => $"silo-{number}";

    public string ClusterId => "llama";

    public string DnsHostName => "host";

    public SiloAddress SiloAddress { get; } = AddressOf(number);

    public SiloAddress GatewayAddress { get; } = AddressOf(number + 10_000);

    /// <summary>Where it would listen.</summary>
    public static SiloAddress AddressOf(int number) => SiloAddress.New(IPAddress.Loopback, 20_000 + number, number);

    /// <summary>What Orleans would write of it.</summary>
    public static MembershipEntry EntryOf(int number, SiloStatus status = SiloStatus.Active) => new()
    {
        SiloAddress = AddressOf(number),
        Status = status,
        HostName = "host",
        SiloName = $"silo-{number}",
        RoleName = "role",
        ProxyPort = 30_000 + number,
        StartTime = new DateTime(2026, 11, 1, 12, 0, 0, DateTimeKind.Utc),
        IAmAliveTime = new DateTime(2026, 11, 1, 12, 0, 5, DateTimeKind.Utc),
        SuspectTimes = [Tuple.Create(AddressOf(99), new DateTime(2026, 11, 1, 12, 0, 7, DateTimeKind.Utc))],
    };
}
