using Llama.Tests;

namespace Llama.Tool.Tests;

public sealed class ProgramTests
{
    [Fact]
    public async Task Main_OfEveryCommandWrongOptions_ExitsWithTwoAndNamesThem()
    {
        foreach (string command in (string[])["convert", "copy", "make"])
        {
            (int code, string output, string error) = await RunAsync(command, "--odel", "x");
            Assert.Equal((2, ""), (code, output));
            Assert.Contains("--odel: is unknown", error, StringComparison.Ordinal);
        }

        Assert.Equal(2, (await RunAsync("nonsense")).Code);
    }

    [Fact]
    public async Task Main_CopyOfMissingLayers_SaysWhyAndExitsWithOne()
    {
        using var folder = new TemporaryFolder();
        (int code, _, string error) = await RunAsync("copy", "--model", TestPaths.TinyStories, "--layers", "0-7", "--out", folder["out"]);

        Assert.Equal(1, code);
        Assert.Contains("has no layers 0 to 7", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    private static Task<ProgramRun> RunAsync(params string[] arguments) => ProgramRun.OfAsync("Llama.Tool", arguments);
}
