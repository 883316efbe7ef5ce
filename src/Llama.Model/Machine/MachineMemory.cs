using System.Globalization;

namespace Llama.Model.Machine;

/// <summary>
/// The memory that this process may use, within the limits of its control groups. What the system does not tell is unknown, and never a
/// fault.
/// </summary>
public static class MachineMemory
{
    private const string Root = "/";

    /// <summary>
    /// Bytes that the machine has for this process as a whole, in use or not: the runtime's own measure, which is the physical
    /// memory, or three quarters of a control group's limit.
    /// </summary>
    public static long Limit => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>
    /// Names the memory of which <see cref="Limit"/> is the size, the machine's as long as it runs, or that of a control group: processes that
    /// have the same name here share it. A machine that does not tell goes by its own name.
    /// </summary>
    public static string Name => OfName(Root);

    /// <summary>Bytes that are left at present, counting what the system keeps of files as free; null where it is unknown.</summary>
    public static long? Available() => OperatingSystem.IsLinux() ? Available(Root) : null;

    /// <summary>
    /// Whether so much memory is left, and a gigabyte more, or an eighth of the machine's if that is less. Where that is unknown it is taken
    /// to be there.
    /// </summary>
    /// <param name="bytes">How much.</param>
    public static bool HasRoom(long bytes) => !(Available() <= bytes + Math.Min(1L << 30, Limit / 8));

    /// <summary>
    /// What Linux tells: the least of <c>MemAvailable</c> (proc_meminfo(5)) and of what the process's control groups have left.
    /// </summary>
    /// <param name="root">Where <c>proc</c> and <c>sys</c> are mounted.</param>
    internal static long? Available(string root)
    {
        long? host = SystemFile.Read(Path.Combine(root, "proc/meminfo")) is { } text ? Field(text, "MemAvailable:") * 1024 : null;
        long? groups = ControlGroups.AvailableMemory(root);
        return host is null || groups < host ? groups : host;
    }

    /// <summary>The name of the memory, as Linux tells it.</summary>
    /// <param name="root">Where <c>proc</c> and <c>sys</c> are mounted.</param>
    internal static string OfName(string root)
    {
        string machine = SystemFile.Read(Path.Combine(root, "proc/sys/kernel/random/boot_id"))?.Trim() is { Length: > 0 } boot
            ? boot
            : Environment.MachineName;
        long? bytes = SystemFile.Read(Path.Combine(root, "proc/meminfo")) is { } text ? Field(text, "MemTotal:") * 1024 : null;
        return ControlGroups.LimitingMemory(root, bytes) is { } group ? $"{machine} {group}" : machine;
    }

    /// <summary>The number behind a name, in a text of one such pair a line; null where there is none.</summary>
    internal static long? Field(string text, string name)
    {
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith(name, StringComparison.Ordinal)) continue;
            ReadOnlySpan<char> value = line[name.Length..].Trim();
            int end = value.IndexOf(' ');
            return long.TryParse(end < 0 ? value : value[..end], NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                ? number
                : null;
        }

        return null;
    }
}
