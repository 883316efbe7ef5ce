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

    private static readonly Files Unified = new("memory.max", "memory.current", ["inactive_file ", "active_file "]);
    private static readonly Files Legacy =
        new("memory.limit_in_bytes", "memory.usage_in_bytes", ["total_inactive_file ", "total_active_file "]);

    /// <summary>
    /// The least that the process's group and those above it have left, counting what they keep of files as free; null where no group has a
    /// limit, or none is told.
    /// </summary>
    /// <param name="root">Where <c>proc</c> and <c>sys</c> are mounted.</param>
    public static long? AvailableMemory(string root) => All(root).Min(Left);

    /// <summary>
    /// Names the group whose limit is the least, and less than the machine's memory: processes of the same group have the same name here.
    /// </summary>
    /// <param name="root">Where <c>proc</c> and <c>sys</c> are mounted.</param>
    /// <param name="machine">The machine's memory in bytes; null where it is unknown.</param>
    /// <returns>Null where there is none.</returns>
    public static string? LimitingMemory(string root, long? machine)
    {
        (string Name, long? Limit) least = All(root).Select(group => (group.Name, Limit: Limit(group)))
            .Where(group => group.Limit is not null).OrderBy(group => group.Limit).FirstOrDefault();
        if (least.Limit is null || least.Limit >= machine) return null;

        // Inside a namespace of its own a group has another path, such as "/", which groups of other namespaces have, too.
        return $"{SystemFile.Target(Path.Combine(root, "proc/self/ns/cgroup"))} {least.Name}";
    }

    /// <summary>The process's groups and all above them: each has a limit of its own. Inside a container only the topmost may be there to see.</summary>
    private static IEnumerable<Group> All(string root)
    {
        string mount = Path.Combine(root, "sys/fs/cgroup");
        foreach (string line in (SystemFile.Read(Path.Combine(root, "proc/self/cgroup")) ?? "").Split('\n'))
        {
            // Hierarchy, controllers, path: "0::/a/b" in version 2, "4:memory:/a/b" in version 1.
            string[] parts = line.Split(':', 3);
            if (parts.Length < 3) continue;
            bool legacy = parts[1].Split(',').Contains("memory");
            if (parts[1].Length > 0 && !legacy) continue;
            string path = parts[2];
            for (int level = 0; level < MostLevels; level++)
            {
                yield return new Group(
                    Path.Combine(legacy ? Path.Combine(mount, "memory") : mount, path.TrimStart('/')), $"{parts[1]}:{path}",
                    legacy ? Legacy : Unified);
                int slash = path.LastIndexOf('/');
                if (slash < 0 || path.Length == 1) break;
                path = slash == 0 ? "/" : path[..slash];
            }
        }
    }

    private static long? Left(Group group)
    {
        if (Limit(group) is not { } limit || Number(group.Folder, group.Files.Used) is not { } used) return null;
        string statistics = SystemFile.Read(Path.Combine(group.Folder, "memory.stat")) ?? "";
        long files = group.Files.OfFiles.Sum(field => MachineMemory.Field(statistics, field) ?? 0);
        return Math.Max(0, limit - Math.Max(0, used - files));
    }

    /// <summary>Without a limit version 2 says "max", and version 1 a number that no machine has.</summary>
    private static long? Limit(Group group) => Number(group.Folder, group.Files.Limit) is { } limit and < long.MaxValue / 2 ? limit : null;

    private static long? Number(string folder, string file) =>
        long.TryParse(SystemFile.Read(Path.Combine(folder, file)), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out long number)
            && number >= 0
            ? number
            : null;

    /// <summary>A group.</summary>
    /// <param name="Folder">Where its files are.</param>
    /// <param name="Name">Its hierarchy and path.</param>
    /// <param name="Files">What its files are called.</param>
    private readonly record struct Group(string Folder, string Name, Files Files);

    /// <summary>What the files of a version are called, and in <c>memory.stat</c> the fields that count pages of files.</summary>
    private sealed record Files(string Limit, string Used, string[] OfFiles);
}
