using Llama.Tests;

namespace Llama.AppHost.Tests;

public sealed class ProgramTests
{
    [Fact]
    public async Task Main_WrongOptions_NamesAllOfThemAndExitsWithTwo()
    {
        (int code, string output, string error) = await RunAsync("--model", "no/such/folder", "--silos=65", "--port=99999", "--thread", "1", "--log-fromat=json");

        Assert.Equal(2, code);
        Assert.Equal("", output);
        Assert.Contains("--model: 'no/such/folder' is not allowed; expected a folder or a .gguf file that exists (command line)", error);
        Assert.Contains("--silos: '65' is not allowed; expected an integer from 1 to 64 (command line)", error);
        Assert.Contains("--port: '99999' is not allowed; expected an integer from 0 to 65535 (command line)", error);
        Assert.Contains("--thread: is unknown; did you mean --threads? (command line)", error);
        Assert.Contains("--log-fromat: is unknown; did you mean --log-format? (command line)", error);
    }

    [Fact]
    public async Task Main_Help_ListsTheOptionsOfTheReadme()
    {
        (int code, string output, _) = await RunAsync("--help");

        Assert.Equal(0, code);
        foreach (string option in (string[])["--model", "--silos", "--replicas", "--port", "--threads", "--verbose", "--log-format"])
            Assert.Contains($"  {option} ", output);
    }

    private static Task<ProgramRun> RunAsync(params string[] arguments) => ProgramRun.OfAsync("Llama.AppHost", arguments);
}
