using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

public sealed class CpuLayerRangeTests : LayerRangeContract
{
    private const int KvBlocks = 32;

    private static readonly string Folder = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");

    protected override ILayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs) =>
        CpuLayerRange.Load(checkpoint, firstLayer, endLayer, ElementType.F32, kvBlocks, threads: 2, logs: logs);

    [Fact]
    public void Load_NoThreads_Throws()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        Assert.Throws<ArgumentOutOfRangeException>(() => CpuLayerRange.Load(checkpoint, 0, 4, ElementType.F32, 4, 0));
    }

    [Fact]
    public async Task Load_Cores_EachThreadRunsOnItsOwn()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        int[] cores = [.. ThreadAffinity.Cores().Reverse().Take(2)];
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        await using CpuLayerRange range = CpuLayerRange.Load(checkpoint, 1, 3, ElementType.F32, KvBlocks, cores.Length, cores);

        // Linux keeps fifteen letters of a name: that of the range's thread, and of the worker beside it. Tests beside this one have threads
        // of these names, too, but pin none.
        Assert.Contains($"{cores[0]}", CoresOfThreads("layers 1-3"));
        Assert.All(cores.Skip(1), core => Assert.Contains($"{core}", CoresOfThreads("layers 1-3 work")));
    }

    [Fact]
    public void Load_CoreThatThereIsNot_Throws()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        int core = ThreadAffinity.Cores()[0];
        Assert.Throws<IOException>(() => CpuLayerRange.Load(checkpoint, 0, 4, ElementType.F32, KvBlocks, 1, [8191]));
        InvalidOperationException fault = Assert.Throws<InvalidOperationException>(
            () => CpuLayerRange.Load(checkpoint, 0, 4, ElementType.F32, KvBlocks, 2, [core, 8191]));
        Assert.Contains("core 8191", fault.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => CpuLayerRange.Load(checkpoint, 0, 4, ElementType.F32, KvBlocks, 2, [core]));
    }

    /// <summary>What Linux says about the cores of this process's threads of one name.</summary>
    private static List<string> CoresOfThreads(string name)
    {
        var cores = new List<string>();
        foreach (string thread in Directory.GetDirectories("/proc/self/task"))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(thread, "comm")).TrimEnd() != name) continue;
                cores.AddRange(File.ReadLines(Path.Combine(thread, "status"))
                    .Where(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))
                    .Select(line => line.Split('\t')[1]));
            }
            catch (IOException)
            {
                // A thread of another test has ended meanwhile.
            }
        }

        return cores;
    }
}
