using System.Text;
using Llama.Grains.Settings;
using Llama.Tests;

namespace Llama.Grains.Tests.Settings;

[Collection(ProcessEnvironment.Name)]
public sealed class ClusterKeyTests : IDisposable
{
    private const string Key = "sixteen letters!";

    private readonly TemporaryFolder _folder = new();
    private readonly EnvironmentVariable _noVariable = new(ClusterKey.Variable, null);

    public void Dispose()
    {
        _noVariable.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Load_NeitherFileNorVariable_ReturnsNull() => Assert.Null(ClusterKey.Load(null));

    [Fact]
    public void Load_File_ReturnsItsTrimmedText()
        => Assert.Equal(Encoding.UTF8.GetBytes(Key), ClusterKey.Load(_folder.Write("key", $"  {Key}\n")));

    [Fact]
    public void Load_FileAndVariable_FileWins()
    {
        using var variable = new EnvironmentVariable(ClusterKey.Variable, "the key of the environment");

        Assert.Equal("the key of the environment", Encoding.UTF8.GetString(ClusterKey.Load(null)!));
        Assert.Equal(Key, Encoding.UTF8.GetString(ClusterKey.Load(_folder.Write("key", Key))!));
    }

    [Fact]
    public void Load_KeyIsTooShort_SaysWhoseAndHowLong()
    {
        string file = _folder.Write("key", "fifteen letters\n");
        using var variable = new EnvironmentVariable(ClusterKey.Variable, "short");

        Assert.Equal(
            $"--cluster-key-file: '{file}' holds a key of 15 characters; expected at least 16",
            Assert.Throws<InvalidDataException>(() => ClusterKey.Load(file)).Message);
        Assert.Equal(
            "LLAMA_CLUSTER_KEY holds a key of 5 characters; expected at least 16",
            Assert.Throws<InvalidDataException>(() => ClusterKey.Load(null)).Message);
    }

    [Fact]
    public void Load_FileIsUnusable_NamesIt()
    {
        string missing = Path.Combine(_folder.Path, "missing");
        string large = _folder.Write("large", new string('k', 5000));
        string binary = Path.Combine(_folder.Path, "binary");
        File.WriteAllBytes(binary, Enumerable.Repeat((byte)0xFF, 32).ToArray());

        foreach (string file in (string[])[missing, large, binary, _folder.Path, ""])
        {
            var exception = Assert.Throws<InvalidDataException>(() => ClusterKey.Load(file));
            Assert.StartsWith($"--cluster-key-file: '{file}' ", exception.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("127.0.0.1:0", false)]
    [InlineData("localhost", false)]
    [InlineData("0.0.0.0:9000", true)]
    [InlineData("node-7", true)]
    public void Validate_NoKey_RefusesToListenForOthers(string listen, bool refused)
    {
        var faults = ClusterKey.Validate(null, listen, "Listen").ToList();

        Assert.Equal(refused ? 1 : 0, faults.Count);
        if (refused)
        {
            Assert.Equal(["Listen"], faults[0].MemberNames);
            Assert.Contains("--cluster-key-file", faults[0].ErrorMessage, StringComparison.Ordinal);
            Assert.Contains(ClusterKey.Variable, faults[0].ErrorMessage, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Validate_Key_AllowsToListenForOthers()
        => Assert.Empty(ClusterKey.Validate(_folder.Write("key", Key), "0.0.0.0:9000", "Listen"));

    [Fact]
    public void Validate_WrongKey_ReportsTheKeyAlone()
    {
        string file = _folder.Write("key", "short");

        Assert.Equal(
            [$"--cluster-key-file: '{file}' holds a key of 5 characters; expected at least 16"],
            ClusterKey.Validate(file, "0.0.0.0:9000", "Listen").Select(fault => fault.ErrorMessage));
    }
}
