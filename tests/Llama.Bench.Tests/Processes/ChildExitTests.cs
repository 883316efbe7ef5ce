using Llama.Bench.Processes;

namespace Llama.Bench.Tests.Processes;

public sealed class ChildExitTests
{
    [Theory]
    [InlineData(0, "exit code 0")]
    [InlineData(2, "exit code 2")]
    [InlineData(134, "exit code 134 (SIGABRT)")]
    [InlineData(137, "exit code 137 (SIGKILL)")]
    [InlineData(139, "exit code 139 (SIGSEGV)")]
    [InlineData(143, "exit code 143 (SIGTERM)")]
    [InlineData(255, "exit code 255")]
    public void ToString_Code_NamesTheSignalThatItStandsFor(int code, string expected)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals");
        Assert.Equal(expected, new ChildExit(code).ToString());
    }
}
