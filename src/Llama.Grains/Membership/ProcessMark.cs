using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net.NetworkInformation;
using Llama.Grains.Membership.Files;

namespace Llama.Grains.Membership;

/// <summary>
/// Which process a silo lives in, so that another on the same machine can tell that it is gone. A process id alone would not do: systems
/// use them again.
/// </summary>
/// <param name="Boot">On Linux the kernel's boot, else the machine.</param>
/// <param name="Space">The namespace of process ids (pid_namespaces(7)); a container has one of its own.</param>
/// <param name="Pid">The process id.</param>
/// <param name="Started">When the process was started, in its system's own terms.</param>
internal sealed record ProcessMark(string Boot, string Space, int Pid, string Started)
{
    private const string BootFile = "/proc/sys/kernel/random/boot_id";
    private const string SpaceFile = "/proc/self/ns/pid";

    private static readonly string ThisBoot = OperatingSystem.IsLinux() ? ReadBoot() : ReadMachine();
    private static readonly string ThisSpace = OperatingSystem.IsLinux() ? new FileInfo(SpaceFile).LinkTarget ?? string.Empty : string.Empty;

    /// <summary>This process; null where its system does not tell enough of it.</summary>
    public static ProcessMark? Own { get; } = Of(Environment.ProcessId);

    /// <summary>Whether it was of this boot of this machine, and in a namespace that this process can look into or not.</summary>
    public bool IsOfThisBoot => Boot == ThisBoot;

    /// <summary>Whether the process has ended; false where this cannot be told from here.</summary>
    public bool IsGone => IsOfThisBoot && Space == ThisSpace
        && (OperatingSystem.IsLinux() ? !Posix.Exists(Pid) || LinuxStart(Pid, Started) != Started : StartElsewhere(Pid, Started) != Started);

    /// <summary>Whether the process is there; false where this cannot be told from here.</summary>
    public bool IsAlive => IsOfThisBoot && Space == ThisSpace && !IsGone;

    /// <summary>A process of this machine; null where there is none with this id.</summary>
    public static ProcessMark? Of(int pid) => (OperatingSystem.IsLinux() ? LinuxStart(pid, null) : StartElsewhere(pid, null)) is { } started
        ? new ProcessMark(ThisBoot, ThisSpace, pid, started)
        : null;

    /// <summary>
    /// The start in clock ticks since boot, field 22 of <c>/proc/PID/stat</c> (proc_pid_stat(5)). .NET makes a time of day of it, which
    /// comes out otherwise after each change of the clock.
    /// </summary>
    /// <param name="pid">The process id.</param>
    /// <param name="unknown">What is told of a process whose file cannot be read, as with the mount option hidepid.</param>
    /// <returns>Null for a process that has ended and waits for its parent.</returns>
    private static string? LinuxStart(int pid, string? unknown)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));

            // The name, the second field, may hold anything, parentheses too. The state is the third.
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : fields[22 - 3];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return unknown;
        }
    }

    private static string? StartElsewhere(int pid, string? unknown)
    {
        try
        {
            using Process process = Process.GetProcessById(pid);
            return process.StartTime.ToUniversalTime().Ticks.ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return null;
        }
        catch (Win32Exception)
        {
            return unknown;
        }
    }

    private static string ReadBoot()
    {
        try
        {
            return File.ReadAllText(BootFile).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nobody else has this: all other processes are taken for those of other machines.
            return MembershipState.NewId();
        }
    }

    /// <summary>Names of machines are not unique; those of their network adapters are.</summary>
    private static string ReadMachine() => string.Join(
        '/', NetworkInterface.GetAllNetworkInterfaces().Select(one => $"{one.GetPhysicalAddress()}").Where(one => one.Length > 0)
            .Order(StringComparer.Ordinal).Prepend(Environment.MachineName));
}
