using System.Globalization;

namespace Llama.Grains.Membership;

/// <summary>
/// Finds a silo that lives under the name of one that joins: grains are found by it, so there must be no two. One that died on another machine
/// is a member until the others have seen it; only one that says that it lives, as each silo does every 5 s while another joins, is there.
/// </summary>
/// <param name="self">The silo that joins.</param>
/// <param name="name">Its name.</param>
internal sealed class Namesakes(SiloAddress self, string name)
{
    private readonly Dictionary<SiloAddress, DateTime> seen = [];

    /// <summary>Looks for one.</summary>
    /// <param name="state">What the document says now.</param>
    /// <returns>Whether no member has the name; else it is to be looked again.</returns>
    /// <exception cref="OrleansConfigurationException">One lives; the message says where.</exception>
    public bool AreGone(MembershipState state)
    {
        SiloRow[] members =
        [
            .. state.Rows.Where(row => row.Name == name && row.Status == SiloStatus.Active && !row.Silo.Equals(self) && row.Process != ProcessMark.Own),
        ];
        foreach (SiloRow row in members)
        {
            bool isHere = row.Process?.IsAlive == true;
            bool isAlive = isHere || (seen.TryGetValue(row.Silo, out DateTime alive) && alive != row.Alive);
            seen.TryAdd(row.Silo, row.Alive);
            if (!isAlive) continue;
            string process = isHere
                ? string.Create(CultureInfo.InvariantCulture, $"process {row.Process!.Pid} on this machine")
                : $"a process on the machine '{row.HostName}'";
            throw new OrleansConfigurationException(
                $"The silo at {row.Silo.Endpoint}, {process}, is a member under the name '{name}', and this process, {Environment.ProcessId}, cannot be"
                + " another; give each a name of its own with --name.");
        }

        return members.Length == 0;
    }
}
