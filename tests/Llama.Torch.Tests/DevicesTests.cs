using Llama.Model.Layers;
using Llama.Tests;
using Llama.Torch.Native;

namespace Llama.Torch.Tests;

/// <summary>How programs find the backend, and what they say where they do not.</summary>
public sealed class DevicesTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Open_TorchOnTheProcessor_IsLoadedFromTheFolder()
    {
        IDevice device = Open("torch:cpu", AppContext.BaseDirectory);
        Assert.Equal("Llama.Torch.TorchDevice", device.GetType().FullName);

        // The seam is the program's, the backend a copy of its own.
        Assert.NotEqual(typeof(TorchDevice), device.GetType());
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("auto")]
    public void Open_WithoutTheBackend_GivesTheProcessor(string name) => Assert.IsType<CpuDevice>(Open(name, folder.Path));

    [Fact]
    public void Open_FolderWithoutTheBackend_SaysHowToMakeIt() =>
        Assert.Contains("publish src/Llama.Torch", Refusal("torch:cpu"), StringComparison.Ordinal);

    [Fact]
    public void Open_BackendThatIsNone_SaysSo()
    {
        File.WriteAllText(Path.Combine(folder.Path, "Llama.Torch.dll"), "no assembly");
        Assert.Contains("is not of this version", Refusal("torch:cpu"), StringComparison.Ordinal);
    }

    [Fact]
    public void Open_BackendWithoutLibTorch_SaysWhereItMayComeFrom()
    {
        CopyBackend();
        Assert.Contains("has no libtorch: publish it with -p:TorchDevice=cuda or cpu", Refusal("torch:cpu"), StringComparison.Ordinal);
    }

    [Fact]
    public void Open_LibTorchThatIsCutOff_IsNamed()
    {
        CopyBackend();
        string libraries = Directory.CreateDirectory(Path.Combine(folder.Path, "libtorch")).FullName;
        foreach (string file in (string[])["libc10.so", "libtorch_cpu.so"]) File.WriteAllText(Path.Combine(libraries, file), "cut off");
        Assert.Contains("libc10.so cannot be loaded", Refusal("torch:cpu"), StringComparison.Ordinal);
    }

    [Fact]
    public void Open_GpuWhereThereIsNone_SaysWhatIsMissing()
    {
        Assert.SkipUnless(CudaDriver.Count == 0, "This machine has a GPU.");
        string refusal = Assert.Throws<IOException>(() => Open("cuda:0", AppContext.BaseDirectory)).Message;
        Assert.Matches("libcuda.so.1|driver", refusal);
    }

    [Fact]
    public void Make_CopyOfTheShim_IsMadeOnceAndAgainWhenItIsChanged()
    {
        string shim = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so");
        byte[] original = File.ReadAllBytes(shim);
        string copy = ShimCopy.Make(shim, folder.Path);
        byte[] made = File.ReadAllBytes(copy);
        Assert.Equal(original.Length, made.Length);
        Assert.Equal(1, original.Zip(made).Count(pair => pair.First != pair.Second));

        DateTime written = File.GetLastWriteTimeUtc(copy);
        Assert.Equal(copy, ShimCopy.Make(shim, folder.Path));
        Assert.Equal(written, File.GetLastWriteTimeUtc(copy));

        File.WriteAllBytes(copy, [.. made[..^1], (byte)~made[^1]]);
        Assert.Equal(copy, ShimCopy.Make(shim, folder.Path));
        Assert.Equal(made, File.ReadAllBytes(copy));
        Assert.Equal(original, File.ReadAllBytes(shim));
    }

    [Fact]
    public void MakeWeak_FilesThatAreNoLibraries_AreRefused()
    {
        byte[] library = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so"));
        Assert.Throws<InvalidDataException>(() => ElfFile.MakeWeak(new byte[100], ShimCopy.Version));
        Assert.Throws<InvalidDataException>(() => ElfFile.MakeWeak(library.AsSpan(0, library.Length / 2).ToArray(), ShimCopy.Version));
        Assert.False(ElfFile.MakeWeak(library, "GLIBCXX_9"));
    }

    private static IDevice Open(string name, string place) => Devices.Open(name, place, 1, null, warning => Assert.Fail(warning));

    private string Refusal(string name) => Assert.Throws<IOException>(() => Open(name, folder.Path)).Message;

    private void CopyBackend()
    {
        foreach (string file in (string[])["Llama.Torch.dll", "TorchSharp.dll"])
            File.Copy(Path.Combine(AppContext.BaseDirectory, file), Path.Combine(folder.Path, file));
    }
}
