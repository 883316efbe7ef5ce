using System.Net;
using System.Net.NetworkInformation;

namespace Llama.Grains.Membership;

/// <summary>
/// Finds silos that a document still calls alive and that are gone. A silo asks all active ones for an answer before it joins,
/// so rows of an earlier run would hold it up for minutes.
/// </summary>
/// <param name="self">The silo that looks.</param>
/// <param name="time">The clock.</param>
internal sealed class VanishedSilos(SiloAddress self, TimeProvider time)
{
    /// <summary>
    /// How long the row of a silo that is to join may stay as it is. A silo that lives says so every 5 s while
    /// another joins; with what Orleans needs to see the death, a start is held up for 15 s at most.
    /// </summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(12);

    private readonly Dictionary<SiloAddress, (string ETag, DateTime Alive, long Since)> seen = [];

    /// <summary>
    /// Finds silos of this machine whose process has ended, and, while this silo has not joined, those of other machines whose rows have
    /// not changed for <see cref="Silence"/>.
    /// </summary>
    /// <param name="state">What the document says now.</param>
    public IReadOnlyList<SiloRow> Find(MembershipState state)
    {
        SiloRow[] others = [.. state.Rows.Where(row => row.Status != SiloStatus.Dead && !row.Silo.Equals(self))];
        bool joined = state.Find(self)?.Status >= SiloStatus.Active;
        return [.. others.Where(row => row.Process?.IsGone == true || IsOfEarlierBoot(row) || (!joined && IsSilent(row)))];
    }

    /// <summary>Begins anew: the document could not be read, so silos could not say that they live.</summary>
    public void Forget() => seen.Clear();

    private bool IsSilent(SiloRow row)
    {
        if (seen.TryGetValue(row.Silo, out (string ETag, DateTime Alive, long Since) before)
            && (before.ETag, before.Alive) == (row.ETag, row.Alive))
            return time.GetElapsedTime(before.Since) >= Silence;
        seen[row.Silo] = (row.ETag, row.Alive, time.GetTimestamp());
        return false;
    }

    /// <summary>
    /// Whether the silo has an address of this machine, another boot, and was last alive before this machine started: its process cannot
    /// be there any more. An address alone says nothing, as with 127.0.0.1.
    /// </summary>
    private bool IsOfEarlierBoot(SiloRow row)
    {
        DateTime booted = time.GetUtcNow().UtcDateTime - TimeSpan.FromMilliseconds(Environment.TickCount64);
        return row.Process is { IsOfThisBoot: false } && row.Alive < booted && row.Started < booted && IsOfThisMachine(row.Silo.Endpoint.Address);
    }

    private static bool IsOfThisMachine(IPAddress address) => IPAddress.IsLoopback(address) || NetworkInterface.GetAllNetworkInterfaces()
        .SelectMany(one => one.GetIPProperties().UnicastAddresses).Any(one => one.Address.Equals(address));
}
