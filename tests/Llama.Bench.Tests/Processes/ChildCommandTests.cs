using System.Diagnostics;
using Llama.Bench.Processes;

namespace Llama.Bench.Tests.Processes;

public sealed class ChildCommandTests
{
    [Fact]
    public void ForProgram_ProgramIsNotThere_Throws()
    {
        var exception = Assert.Throws<FileNotFoundException>(() => ChildCommand.ForProgram("silo-1", "Llama.Nothing", []));

        Assert.Contains("Llama.Nothing", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToStartInfo_DotnetRoot_HasTheRuntimeOfThisProcess()
    {
        string before = Environment.GetEnvironmentVariable("DOTNET_ROOT") ?? "";
        ProcessStartInfo info = new ChildCommand("silo-1", "program", ["a b"]).ToStartInfo();

        string root = info.Environment["DOTNET_ROOT"]!;
        Assert.True(before == root || Directory.Exists(Path.Combine(root, "shared", "Microsoft.NETCore.App")), root);
        Assert.Equal(["a b"], info.ArgumentList);
    }
}
