using Llama.Model.Machine;
using Llama.Tests;

namespace Llama.Model.Tests.Machine;

public sealed class MachineMemoryTests : IDisposable
{
    private const long Kibi = 1024;

    private readonly TemporaryFolder root = new();

    public void Dispose() => root.Dispose();

    [Fact]
    public void Available_NothingIsTold_IsUnknown() => Assert.Null(MachineMemory.Available(root.Path));

    [Theory]
    [InlineData("")]
    [InlineData("MemTotal: 5 kB\n")]
    [InlineData("MemAvailable:\n")]
    [InlineData("MemAvailable: much kB\n")]
    [InlineData("MemAvailable: -5 kB\n")]
    [InlineData("MemAvailable: 99999999999999999999 kB\n")]
    [InlineData("\0\xff\n\n:::")]
    public void Available_MeminfoOfNoUse_IsUnknown(string text)
    {
        Write("proc/meminfo", text);
        Write("proc/self/cgroup", text);
        Assert.Null(MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Available_FolderInPlaceOfTheFile_IsUnknown()
    {
        Directory.CreateDirectory(root["proc/meminfo"]);
        Assert.Null(MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Available_NoControlGroups_IsTheHosts()
    {
        Write("proc/meminfo", "MemTotal:  90 kB\nMemFree:  10 kB\nMemAvailable:   50 kB\n");
        Assert.Equal(50 * Kibi, MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Available_LimitOfVersion2_IsWhatItLeavesAndItsFilesCountAsFree()
    {
        Write("proc/meminfo", "MemAvailable: 50 kB\n");
        Write("proc/self/cgroup", "0::/a/b\n");
        Group("sys/fs/cgroup/a/b", "memory.max", "30000", "memory.current", "25000", "anon 1\ninactive_file 2000\nactive_file 500\n");
        Assert.Equal(30_000 - 25_000 + 2_500, MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Available_SeveralLimits_IsTheLeast()
    {
        Write("proc/meminfo", "MemAvailable: 50 kB\n");
        Write("proc/self/cgroup", "0::/a/b\n");
        Group("sys/fs/cgroup/a/b", "memory.max", "30000", "memory.current", "1000", "");
        Group("sys/fs/cgroup/a", "memory.max", "9000", "memory.current", "2000", "");
        Assert.Equal(7_000, MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Available_OnlyTheTopmostGroupIsThereToSee_ItsLimitCounts()
    {
        Write("proc/self/cgroup", "0::/docker/0123\n");
        Group("sys/fs/cgroup", "memory.max", "9000", "memory.current", "2000", "");
        Assert.Equal(7_000, MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Available_LimitOfVersion1_IsWhatItLeaves()
    {
        Write("proc/meminfo", "MemAvailable: 50 kB\n");
        Write("proc/self/cgroup", "9:cpu,cpuacct:/x\n4:memory:/x\n0::/\n");
        Group("sys/fs/cgroup/memory/x", "memory.limit_in_bytes", "20000", "memory.usage_in_bytes", "15000", "total_inactive_file 1000\n");
        Assert.Equal(6_000, MachineMemory.Available(root.Path));
    }

    [Theory]
    [InlineData("max")]
    [InlineData("9223372036854771712")]
    [InlineData("none")]
    [InlineData("-1")]
    public void Available_GroupWithoutALimit_IsTheHosts(string limit)
    {
        Write("proc/meminfo", "MemAvailable: 50 kB\n");
        Write("proc/self/cgroup", "0::/\n4:memory:/\n");
        Group("sys/fs/cgroup", "memory.max", limit, "memory.current", "2000", "");
        Group("sys/fs/cgroup/memory", "memory.limit_in_bytes", limit, "memory.usage_in_bytes", "2000", "");
        Assert.Equal(50 * Kibi, MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Available_MoreInUseThanTheLimit_IsNothing()
    {
        Write("proc/self/cgroup", "0::/\n");
        Group("sys/fs/cgroup", "memory.max", "1000", "memory.current", "2000", "");
        Assert.Equal(0, MachineMemory.Available(root.Path));
    }

    [Fact]
    public void Name_NoLimit_IsTheMachinesUntilItStartsAgain()
    {
        Write("proc/sys/kernel/random/boot_id", "0123-45\n");
        Assert.Equal("0123-45", MachineMemory.OfName(root.Path));
        Write("proc/meminfo", "MemTotal: 50 kB\n");
        Write("proc/self/cgroup", "0::/a\n");
        Group("sys/fs/cgroup/a", "memory.max", "60000", "memory.current", "0", "");
        Assert.Equal("0123-45", MachineMemory.OfName(root.Path));
    }

    [Fact]
    public void Name_MachineDoesNotTell_IsItsOwnName() => Assert.Equal(Environment.MachineName, MachineMemory.OfName(root.Path));

    [Fact]
    public void Name_LimitOfAGroup_IsTheSameForAllInIt()
    {
        Write("proc/sys/kernel/random/boot_id", "0123-45\n");
        Group("sys/fs/cgroup/a", "memory.max", "40000", "memory.current", "0", "");
        Group("sys/fs/cgroup/a/b", "memory.max", "max", "memory.current", "0", "");
        Group("sys/fs/cgroup/a/c", "memory.max", "30000", "memory.current", "0", "");
        string[] names =
        [
            .. ((string[])["/a", "/a/b", "/a/c", "/d"]).Select(path =>
            {
                Write("proc/self/cgroup", $"0::{path}\n");
                return MachineMemory.OfName(root.Path);
            }),
        ];
        Assert.Equal(names[0], names[1]);
        Assert.Equal(3, names.Distinct().Count());
        Assert.Equal("0123-45", names[3]);
    }

    [Fact]
    public void HasRoom_OnThisMachine_HasNoneForAllOfItAndALittle() =>
        Assert.Equal(MachineMemory.Available() is null, MachineMemory.HasRoom(long.MaxValue / 2));

    private void Group(string folder, string limitFile, string limit, string usedFile, string used, string statistics)
    {
        Write($"{folder}/{limitFile}", limit + "\n");
        Write($"{folder}/{usedFile}", used + "\n");
        Write($"{folder}/memory.stat", statistics);
    }

    private void Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(root[name])!);
        root.Write(name, text);
    }
}
