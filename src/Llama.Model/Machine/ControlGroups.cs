using System.Globalization;

namespace Llama.Model.Machine;

/// <summary>
/// What Linux's control groups leave to this process (cgroups(7)). Version 2 is the kernel's cgroup-v2.rst, <c>memory.max</c> and
/// <c>memory.current</c>; version 1 its cgroup-v1/memory.rst, <c>memory.limit_in_bytes</c> and <c>memory.usage_in_bytes</c>.
/// </summary>
internal static class ControlGroups
{
    /// <summary>Deepest group that is looked at; no tree is so deep.</summary>
    private const int MostLevels = 64;

    /// <summary>
    /// The least that the process's group and those above it have left, counting what they keep of files as free; null where no group has a
    /// limit, or none is told.
    /// </summary>
    /// <param name="root">Where <c>proc</c> and <c>sys</c> are mounted.</param>
    public static long? AvailableMemory(string root)
    {
        if (SystemFile.Read(Path.Combine(root, "proc/self/cgroup")) is not { } groups) return null;
        string mount = Path.Combine(root, "sys/fs/cgroup");
        long? least = null;
        foreach (string line in groups.Split('\n'))
        {
            // Hierarchy, controllers, path: "0::/a/b" in version 2, "4:memory:/a/b" in version 1.
            string[] parts = line.Split(':', 3);
            if (parts.Length < 3) continue;
            if (parts[1].Length == 0) Lower(ref least, mount, parts[2], Unified);
            else if (parts[1].Split(',').Contains("memory")) Lower(ref least, Path.Combine(mount, "memory"), parts[2], Legacy);
        }

        return least;
    }

    /// <summary>Looks at a group and all above it: each has a limit of its own. Inside a container only the topmost may be there to see.</summary>
    private static void Lower(ref long? least, string mount, string group, Func<string, long?> available)
    {
        for (int level = 0; level < MostLevels; level++)
        {
            long? here = available(Path.Combine(mount, group.TrimStart('/')));
            if (least is null || here < least) least = here ?? least;
            if (group.LastIndexOf('/') is var slash && (slash < 0 || group.Length == 1)) return;
            group = slash == 0 ? "/" : group[..slash];
        }
    }

    private static long? Unified(string folder) =>
        Left(folder, "memory.max", "memory.current", "inactive_file ", "active_file ");

    private static long? Legacy(string folder) =>
        Left(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ", "total_active_file ");

    private static long? Left(string folder, string limitFile, string usedFile, params string[] fileFields)
    {
        // Without a limit version 2 says "max", and version 1 a number that no machine has.
        if (Number(folder, limitFile) is not { } limit || limit > long.MaxValue / 2 || Number(folder, usedFile) is not { } used) return null;
        string statistics = SystemFile.Read(Path.Combine(folder, "memory.stat")) ?? "";
        long files = fileFields.Sum(field => MachineMemory.Field(statistics, field) ?? 0);
        return Math.Max(0, limit - Math.Max(0, used - files));
    }

    private static long? Number(string folder, string file) =>
        long.TryParse(SystemFile.Read(Path.Combine(folder, file)), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out long number)
            && number >= 0
            ? number
            : null;
}
