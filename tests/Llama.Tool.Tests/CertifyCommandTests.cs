using Llama.Grains.Certificates;
using Llama.Tests;

namespace Llama.Tool.Tests;

public sealed class CertifyCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Run_NoNames_MakesThoseOfGatewayAndLocalhost()
    {
        (int code, string output, string error) = Run(folder.Path);

        Assert.Equal((0, ""), (code, error));
        Assert.Contains($"gateway: --tls {folder["gateway"]}", output);
        Assert.Equal(
            ["authority", "gateway", "localhost"],
            Directory.EnumerateDirectories(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.True(CertificateFolder.Load(folder["gateway"])!.IsFor("gateway"));
        Assert.True(CertificateFolder.Load(folder["localhost"])!.IsFor("localhost"));
        Assert.False(File.Exists(Path.Combine(folder["gateway"], CertificateAuthority.KeyFile)));
    }

    [Fact]
    public void Run_AgainWithOtherNames_SameAuthority()
    {
        Run(folder.Path, "machine-1");

        Assert.Equal(0, Run(folder.Path, "machine-2", "10.0.0.3").Code);

        string[] authorities =
        [
            .. ((string[])["machine-1", "machine-2", "10.0.0.3"]).Select(name => File.ReadAllText(Path.Combine(folder[name], "ca.pem"))),
        ];
        Assert.Single(authorities.Distinct());
    }

    [Fact]
    public void Run_NameThatIsThere_MakesNothing()
    {
        Run(folder.Path, "machine-1");

        (int code, _, string error) = Run(folder.Path, "machine-2", "machine-1");

        Assert.Equal(1, code);
        Assert.Contains($"'{folder["machine-1"]}' is there already", error);
        Assert.False(Directory.Exists(folder["machine-2"]));
    }

    [Theory]
    [InlineData]
    [InlineData("--port=1")]
    [InlineData("FOLDER", "..")]
    [InlineData("FOLDER", "a/b")]
    [InlineData("FOLDER", "node:9000")]
    [InlineData("FOLDER", "authority")]
    [InlineData("FOLDER", "0.0.0.0")]
    [InlineData("FOLDER", "-x")]
    public void Run_Wrong_SaysHowAndMakesNothing(params string[] args)
    {
        (int code, _, string error) = Run([.. args.Select(arg => arg == "FOLDER" ? folder.Path : arg)]);

        Assert.Equal(2, code);
        Assert.Contains("llama certify FOLDER [NAME...]", error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CertifyCommand.Run(args, output, error);
        return (code, $"{output}", $"{error}");
    }
}
