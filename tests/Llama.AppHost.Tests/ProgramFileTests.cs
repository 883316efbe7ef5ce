namespace Llama.AppHost.Tests;

public sealed class ProgramFileTests
{
    [Fact]
    public void Find_ProgramIsNotThere_Throws()
    {
        var exception = Assert.Throws<FileNotFoundException>(() => ProgramFile.Find("Llama.Nothing"));

        Assert.Contains("Llama.Nothing", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Find_Silo_IsBesideTheTests()
        => Assert.True(File.Exists(ProgramFile.Find("Llama.Silo").File));

    [Fact]
    public void DotnetFolder_HasTheRuntimeOfThisProcess()
        => Assert.True(Directory.Exists(Path.Combine(ProgramFile.DotnetFolder, "shared", "Microsoft.NETCore.App")), ProgramFile.DotnetFolder);
}
