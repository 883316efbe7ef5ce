using System.Globalization;

namespace Llama.Bench.Chaos;

/// <summary>Memory of a process that ran at the end, MiB of resident set.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Seconds">How long it was watched.</param>
/// <param name="Warm">When it was warm: the median from a third to half of that time.</param>
/// <param name="End">The median of the last sixth.</param>
internal sealed record MemoryUse(string Name, int Seconds, double Warm, double End)
{
    /// <summary>MiB that memory may grow by once a process is warm, beside a fifth.</summary>
    private const double Allowance = 24;

    /// <summary>Processes that ran less are not warm.</summary>
    private const int LeastSeconds = 60;

    /// <summary>Whether it stayed within the bound.</summary>
    public bool IsFlat => Seconds < LeastSeconds || End <= (Warm * 1.2) + Allowance;
}

/// <summary>Looks at the memory of processes once a second (proc_pid_status(5), VmRSS).</summary>
internal sealed class MemoryWatch
{
    private readonly Dictionary<(string Name, int Id), List<double>> samples = [];

    /// <summary>Looks.</summary>
    public void Look(IEnumerable<ChaosProcess> processes)
    {
        foreach (ChaosProcess process in processes)
        {
            if (Resident.Read(process.Id) is not { } size) continue;
            if (!samples.TryGetValue((process.Name, process.Id), out List<double>? list)) samples.Add((process.Name, process.Id), list = []);
            list.Add(size);
        }
    }

    /// <summary>What was seen of these.</summary>
    public IReadOnlyList<MemoryUse> Of(IEnumerable<ChaosProcess> processes) =>
    [
        .. from process in processes
           let list = samples.GetValueOrDefault((process.Name, process.Id))
           where list is not null
           let count = list.Count
           select new MemoryUse(process.Name, count, Median(list[(count / 3)..((count / 2) + 1)]), Median(list[(count * 5 / 6)..])),
    ];

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

}

/// <summary>The resident set of a process.</summary>
internal static class Resident
{
    /// <summary>Its size in MiB; null for a process that has ended.</summary>
    /// <param name="id">The process.</param>
    public static double? Read(int id)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{id}/status").FirstOrDefault(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
            return line is null ? null : int.Parse(line.AsSpan(6).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) / 1024.0;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
