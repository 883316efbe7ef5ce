using System.Diagnostics;
using System.Globalization;
using Llama.Bench.Processes;

namespace Llama.Cluster.Tests.Processes;

/// <summary>What a system can keep from a process, put around its command.</summary>
internal static class Limits
{
    private const string Shell = "/bin/sh";
    private const string Run = "exec \"$0\" \"$@\"";

    /// <summary>At most so many descriptors.</summary>
    public static ChildCommand Descriptors(ChildCommand command, int most) => Around(command, $"ulimit -n {most}; {Run}");

    /// <summary>An output that nothing can be written to any more.</summary>
    public static ChildCommand FullDisk(ChildCommand command) => Around(command, $"{Run} > /dev/full");

    /// <summary>Mounts of its own; the test is skipped where this process may not give it any.</summary>
    /// <param name="command">The command.</param>
    /// <param name="mount">A command of the shell that mounts something.</param>
    public static ChildCommand Mounts(ChildCommand command, string mount)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Succeeds("unshare", "-m", Shell, "-c", mount), "needs mount namespaces, as root has them");
        ChildCommand inner = Around(command, $"{mount}; {Run}");
        return inner with { FileName = "unshare", Arguments = ["-m", inner.FileName, .. inner.Arguments] };
    }

    private static ChildCommand Around(ChildCommand command, string script) =>
        command with { FileName = Shell, Arguments = ["-c", script, command.FileName, .. command.Arguments] };

    private static bool Succeeds(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    /// <summary>A control group of the test's own in which there may be so many threads (cgroups(7), the pids controller).</summary>
    internal sealed class Threads : IDisposable
    {
        private readonly string folder;

        /// <summary>Makes it, or skips the test where this process may not.</summary>
        public Threads(int most)
        {
            string parent = Directory.Exists("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
            folder = $"{parent}/llama-test-{Environment.ProcessId}";
            try
            {
                Directory.CreateDirectory(folder);
                File.WriteAllText($"{folder}/pids.max", most.ToString(CultureInfo.InvariantCulture));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Dispose();
                Assert.Skip($"needs a control group for threads, as root has them: {e.Message}");
            }
        }

        /// <summary>The command, in the group.</summary>
        public ChildCommand Around(ChildCommand command) => Limits.Around(command, $"echo $$ > {folder}/cgroup.procs; {Run}");

        /// <inheritdoc/>
        public void Dispose()
        {
            if (Directory.Exists(folder)) Directory.Delete(folder);
        }
    }
}
