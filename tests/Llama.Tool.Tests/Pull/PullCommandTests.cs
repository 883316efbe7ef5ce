using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;
using Llama.Tests;
using Llama.Tool.Pull;

namespace Llama.Tool.Tests.Pull;

public sealed class PullCommandTests : IDisposable
{
    private static readonly string Fixture = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");
    private static readonly string[] Weights = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

    private readonly TemporaryFolder folder = new();
    private readonly TestConsole console = new();

    public void Dispose()
    {
        folder.Dispose();
        console.Dispose();
    }

    [Fact]
    public async Task Run_WholeModel_HasAllFilesAndIsNotPulledTwice()
    {
        await using var hub = new LocalHub(Fixture, Weights);
        Pull(hub);
        foreach (string file in Directory.EnumerateFiles(Fixture))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(folder["out"], Path.GetFileName(file))));
        Assert.Contains("All layers are in", console.Output, StringComparison.Ordinal);
        long served = hub.Served;
        Pull(hub);
        Assert.Equal(served, hub.Served);
    }

    [Fact]
    public async Task Run_SomeLayers_BringsThemAloneAndOthersLater()
    {
        await using var hub = new LocalHub(Fixture, Weights);
        long all = Weights.Sum(file => new FileInfo(Path.Combine(Fixture, file)).Length);
        Pull(hub, "1-2");
        Assert.InRange(hub.Served, all / 20, all * 2 / 3);
        using (Checkpoint some = Checkpoint.Open(folder["out"], new CheckpointOptions()))
        {
            Assert.Equal(Row(TensorNames.Wq(1)), some.ReadVector(TensorNames.AttentionNorm(1), some.Config.Dim));
            Assert.Throws<CheckpointException>(() => some.OpenMatrix(TensorNames.Wq(0), some.Config.QueryDim, some.Config.Dim));
        }

        Pull(hub);
        foreach (string file in Weights) Assert.Equal(File.ReadAllBytes(Path.Combine(Fixture, file)), File.ReadAllBytes(Path.Combine(folder["out"], file)));
        Assert.True(hub.Served <= all + 20_000, $"{hub.Served} bytes were served of {all}");

        static float[] Row(string _)
        {
            using Checkpoint whole = Checkpoint.Open(Fixture, new CheckpointOptions());
            return whole.ReadVector(TensorNames.AttentionNorm(1), whole.Config.Dim);
        }
    }

    [Fact]
    public async Task Run_ConnectionsThatBreak_GoesOnWhereTheyDid()
    {
        await using var hub = new LocalHub(Fixture, Weights) { CutOff = (1500, 3) };
        Pull(hub);
        Assert.Equal(0, hub.CutOff.Times);
        foreach (string file in Weights) Assert.Equal(File.ReadAllBytes(Path.Combine(Fixture, file)), File.ReadAllBytes(Path.Combine(folder["out"], file)));
    }

    [Fact]
    public async Task Run_Interrupted_GoesOnWhereItWas()
    {
        await using var hub = new LocalHub(Fixture, Weights);
        long all = Weights.Sum(file => new FileInfo(Path.Combine(Fixture, file)).Length);
        using (var interrupted = new CancellationTokenSource())
        {
            hub.OnRange = () =>
            {
                if (hub.Served > all / 2) interrupted.Cancel();
            };
            Assert.ThrowsAny<OperationCanceledException>(() => Pull(hub, null, interrupted.Token));
        }

        hub.OnRange = null;
        long before = hub.Served;
        Assert.InRange(before, all / 2, all);
        Pull(hub);
        foreach (string file in Weights) Assert.Equal(File.ReadAllBytes(Path.Combine(Fixture, file)), File.ReadAllBytes(Path.Combine(folder["out"], file)));

        // The piece at which it was interrupted is brought again, and the headers were read twice.
        Assert.InRange(hub.Served, all, all + (all / 4));
    }

    [Fact]
    public async Task Run_FileWithAnotherHash_IsRefusedAndDeleted()
    {
        await using var hub = new LocalHub(Fixture, Weights);
        hub.IsDamaged = true;
        Assert.Contains("have not the hub's hash", Assert.Throws<IOException>(() => Pull(hub)).Message, StringComparison.Ordinal);
        hub.IsDamaged = false;
        Pull(hub, "0-1");
        hub.IsDamaged = true;
        Assert.Contains("SHA-256", Assert.Throws<IOException>(() => Pull(hub)).Message, StringComparison.Ordinal);
        hub.IsDamaged = false;
        Pull(hub);
        foreach (string file in Weights) Assert.Equal(File.ReadAllBytes(Path.Combine(Fixture, file)), File.ReadAllBytes(Path.Combine(folder["out"], file)));
    }

    [Fact]
    public async Task Run_GgufModels_BringsTheOneThatIsMeant()
    {
        using var source = new TemporaryFolder();
        GgufConverter.Convert(TestPaths.TinyStories, ElementType.Q8_0, source["tiny-Q8_0.gguf"], new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        GgufConverter.Convert(Path.Combine(TestPaths.Fixtures, "llama-3.1", "hf"), ElementType.F16, source["tiny-F16.gguf"], new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        await using var hub = new LocalHub(source.Path, "tiny-Q8_0.gguf", "tiny-F16.gguf");
        Assert.Contains("tiny-F16.gguf", Assert.Throws<InvalidDataException>(() => Pull(hub)).Message, StringComparison.Ordinal);
        foreach (string name in (string[])["Q8_0", "F16"])
        {
            Pull(hub, file: name);
            Assert.Equal(File.ReadAllBytes(source[$"tiny-{name}.gguf"]), File.ReadAllBytes(Path.Combine(folder["out"], $"tiny-{name}.gguf")));
        }
    }

    [Fact]
    public async Task Run_HubThatCannot_IsRefusedWithTheReason()
    {
        await using var hub = new LocalHub(Fixture, Weights);
        Assert.Contains("nothing of this name", Assert.Throws<IOException>(() => Pull(hub, name: "org/other")).Message, StringComparison.Ordinal);
        hub.HasRanges = false;
        Assert.Contains("ranges", Assert.Throws<InvalidDataException>(() => Pull(hub)).Message, StringComparison.Ordinal);
        foreach (string file in Weights) hub.Files.Remove(file);
        Assert.Contains("no safetensors", Assert.Throws<InvalidDataException>(() => Pull(hub)).Message, StringComparison.Ordinal);
    }

    private void Pull(LocalHub hub, string? layers = null, CancellationToken? stopping = null, string? file = null, string name = LocalHub.Name) => PullCommand.Run(
        new PullOptions { Name = name, Hub = hub.Address, Layers = layers, File = file, Out = folder["out"] }, console.Display,
        stopping ?? TestContext.Current.CancellationToken);
}
