using System.Text;
using Llama.Grains.Directory.Etcd;

namespace Llama.Bench.Chaos;

/// <summary>Finds what a cluster that has ended leaves in its etcd.</summary>
internal static class EtcdLeftovers
{
    // Leases of processes that were killed live 5 s.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    /// <summary>Ids of all leases there are.</summary>
    public static IReadOnlyList<long> Leases(string directory)
    {
        using var client = new EtcdClient(EtcdAddress.Parse(directory), null);
        return Leases(client);
    }

    /// <summary>Waits until nothing is left.</summary>
    /// <param name="directory">The etcd's address.</param>
    /// <param name="before">Leases that were there before.</param>
    /// <param name="stopping">Ends the wait.</param>
    /// <returns>What is left in the end, or null.</returns>
    public static async Task<string?> FindAsync(string directory, IReadOnlyList<long> before, CancellationToken stopping)
    {
        var address = EtcdAddress.Parse(directory);
        using var client = new EtcdClient(address, null);
        byte[] prefix = Encoding.UTF8.GetBytes(address.Prefix);
        long since = Environment.TickCount64;
        while (true)
        {
            byte[] end = [.. prefix[..^1], (byte)(prefix[^1] + 1)];
            EtcdRangeAnswer range = client.Call<EtcdRangeAnswer>("kv/range", new EtcdRange(prefix, end));
            string[] keys = [.. (range.Kvs ?? []).Select(entry => Encoding.UTF8.GetString(entry.Key))];
            int leases = Leases(client).Except(before).Count();
            if (keys.Length == 0 && leases == 0) return null;
            if (Environment.TickCount64 - since > Deadline.TotalMilliseconds)
                return $"etcd still has {leases} leases and the keys {string.Join(", ", keys)}";
            await Task.Delay(Pause, stopping).ConfigureAwait(false);
        }
    }

    private static long[] Leases(EtcdClient client) =>
        [.. (client.Call<LeaseList>("lease/leases", new EtcdNothing()).Leases ?? []).Select(lease => lease.Id)];

    private sealed record LeaseList(EtcdLeaseAnswer[]? Leases);
}
