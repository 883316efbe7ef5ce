using System.Globalization;
using Orleans.Messaging;

namespace Llama.Grains.Tests.Hosting;

/// <summary>A membership table in the memory of the tests' process, which can be away.</summary>
internal sealed class TestTable : IMembershipTable, IGatewayListProvider
{
    private readonly Lock gate = new();
    private readonly Dictionary<SiloAddress, Tuple<MembershipEntry, string>> rows = [];
    private TableVersion version = new(0, "0");
    private int etags;

    /// <summary>Whether every call fails.</summary>
    public volatile bool Away;

    /// <summary>How many calls of <see cref="InitializeMembershipTable"/> fail from now on: that many starts of silos do.</summary>
    public int FailingStarts;

    /// <summary>Copies of all rows that were ever written.</summary>
    public IReadOnlyList<MembershipEntry> Rows
    {
        get
        {
            lock (gate) return [.. rows.Values.Select(row => Copy(row.Item1))];
        }
    }

    public TimeSpan MaxStaleness => TimeSpan.FromSeconds(1);

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    public Task InitializeMembershipTable(bool tryInitTableVersion) =>
        Interlocked.Decrement(ref FailingStarts) >= 0 ? throw new IOException("The table refuses.") : Do(() => 0);

    public Task DeleteMembershipTableEntries(string clusterId) => throw new NotSupportedException();

    public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => Task.CompletedTask;

    public Task<MembershipTableData> ReadRow(SiloAddress key) => Do(() => Read(rows.Values.Where(row => row.Item1.SiloAddress.Equals(key))));

    public Task<MembershipTableData> ReadAll() => Do(() => Read(rows.Values));

    public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) => Do(() =>
        !rows.ContainsKey(entry.SiloAddress) && tableVersion.VersionEtag == version.VersionEtag && Write(entry, tableVersion));

    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => Do(() =>
        rows.TryGetValue(entry.SiloAddress, out Tuple<MembershipEntry, string>? row) && row.Item2 == etag
            && tableVersion.VersionEtag == version.VersionEtag && Write(entry, tableVersion));

    public Task UpdateIAmAlive(MembershipEntry entry) => Do(() => rows[entry.SiloAddress].Item1.IAmAliveTime = entry.IAmAliveTime);

    public Task<IList<Uri>> GetGateways() => Do<IList<Uri>>(() =>
    [
        .. rows.Values.Select(row => row.Item1)
            .Where(row => row.Status == SiloStatus.Active && row.ProxyPort != 0)
            .Select(row => SiloAddress.New(row.SiloAddress.Endpoint.Address, row.ProxyPort, row.SiloAddress.Generation).ToGatewayUri()),
    ]);

    private Task<T> Do<T>(Func<T> action)
    {
        if (Away) return Task.FromException<T>(new IOException("The table is away."));
        lock (gate) return Task.FromResult(action());
    }

    private bool Write(MembershipEntry entry, TableVersion tableVersion)
    {
        rows[entry.SiloAddress] = Tuple.Create(Copy(entry), NewEtag());
        version = new TableVersion(tableVersion.Version, NewEtag());
        return true;
    }

    private MembershipTableData Read(IEnumerable<Tuple<MembershipEntry, string>> found) =>
        new([.. found.Select(row => Tuple.Create(Copy(row.Item1), row.Item2))], version);

    private string NewEtag() => (++etags).ToString(CultureInfo.InvariantCulture);

    private static MembershipEntry Copy(MembershipEntry entry) => new()
    {
        SiloAddress = entry.SiloAddress,
        Status = entry.Status,
        SuspectTimes = entry.SuspectTimes is { } times ? [.. times] : null,
        ProxyPort = entry.ProxyPort,
        HostName = entry.HostName,
        SiloName = entry.SiloName,
        RoleName = entry.RoleName,
        UpdateZone = entry.UpdateZone,
        FaultZone = entry.FaultZone,
        StartTime = entry.StartTime,
        IAmAliveTime = entry.IAmAliveTime,
    };
}
