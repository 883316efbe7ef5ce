using System.Diagnostics;

namespace Llama.Cluster.Tests.Processes;

/// <summary>The processes of this machine, as Linux shows them under <c>/proc</c> (proc_pid_stat(5)).</summary>
internal static class ProcessTable
{
    private static readonly TimeSpan Spell = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Stop = TimeSpan.FromMilliseconds(50);

    /// <summary>Whether the system has such a table.</summary>
    public static bool IsThere { get; } = OperatingSystem.IsLinux();

    /// <summary>Whether a process runs. One that has ended and that nobody has asked for its exit code (a zombie) does not.</summary>
    public static bool IsAlive(int id) => Read(id) is { State: not "Z" };

    /// <summary>The ids of all processes that a process has started, and those have, down to the last.</summary>
    public static IReadOnlyList<int> DescendantsOf(int id)
    {
        List<(int Id, int Parent)> all =
        [
            .. from folder in Directory.EnumerateDirectories("/proc")
               let entry = int.TryParse(Path.GetFileName(folder), out int one) ? Read(one) : null
               where entry is not null
               select (entry.Value.Id, entry.Value.Parent),
        ];
        var found = new List<int> { id };
        for (int i = 0; i < found.Count; i++)
            found.AddRange(all.Where(process => process.Parent == found[i]).Select(process => process.Id));
        return found[1..];
    }

    /// <summary>
    /// The ids of all processes of a running AppHost: its own, those of Aspire's orchestrator, which watches it, and what that has started.
    /// </summary>
    public static IReadOnlyList<int> OfAppHost(int id)
    {
        string watches = $"\0--monitor\0{id}\0";
        int[] orchestrators =
        [
            .. from folder in Directory.EnumerateDirectories("/proc")
               let entry = int.TryParse(Path.GetFileName(folder), out int one) ? one : 0
               where entry > 0 && CommandLine(entry).Contains(watches, StringComparison.Ordinal)
               select entry,
        ];
        return [id, .. DescendantsOf(id), .. orchestrators.Concat(orchestrators.SelectMany(DescendantsOf)).Distinct()];
    }

    /// <summary>Whether a process runs a program, by the name of its file.</summary>
    public static bool Runs(int id, string program) => Path.GetFileName(CommandLine(id).Split('\0')[0]) == program;

    /// <summary>Sends a signal, named without SIG, to a process, or for a negative id to the process group of that number.</summary>
    public static void Signal(int id, string signal)
    {
        using Process kill = Process.Start("/bin/sh", ["-c", $"kill -{signal} {id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Has a process that is stopped run for some milliseconds, and leaves it stopped for some more.</summary>
    public static async Task RunForASpellAsync(int id)
    {
        Signal(id, "CONT");
        await Task.Delay(Spell, TestContext.Current.CancellationToken);
        Signal(id, "STOP");
        await Task.Delay(Stop, TestContext.Current.CancellationToken);
    }

    private static string CommandLine(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static (int Id, int Parent, string State)? Read(int id)
    {
        try
        {
            // id (name) state parent ...; the name may hold anything.
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (id, int.Parse(fields[1], System.Globalization.CultureInfo.InvariantCulture), fields[0]);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
