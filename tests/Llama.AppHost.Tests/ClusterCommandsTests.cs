using Llama.Grains.Settings;

namespace Llama.AppHost.Tests;

public sealed class ClusterCommandsTests
{
    private static readonly string Model = Path.GetFullPath("models/some");

    private static readonly AppHostOptions Everything = new()
    {
        Model = "models/some",
        Silos = 3,
        Replicas = 2,
        Threads = 4,
        Ranges = "0-6,6-12",
        KvMemory = new ByteSize(3L << 29),
        StepTokens = 64,
        Context = 4096,
        RopeFactor = 8.5f,
        Weights = "q4_k",
        ChatTemplate = "llama3",
        Verbose = true,
    };

    [Fact]
    public void Gateway_EveryOption_IsPassedOn()
    {
        ChildCommand command = ClusterCommands.Gateway(Everything, 8081);

        Assert.Equal("gateway", command.Name);
        Assert.Equal("Llama.Gateway", Path.GetFileNameWithoutExtension(command.FileName + ".exe"));
        Assert.Equal(
            [
                "--host=127.0.0.1", "--port=8081", $"--model={Model}", "--silos=3", "--replicas=2", "--ranges=0-6,6-12",
                "--kv-memory=1536MiB", "--step-tokens=64", "--context=4096", "--rope-factor=8.5", "--weights=q4_k", "--chat-template=llama3",
                "--verbose=True",
            ],
            command.Arguments);
    }

    [Fact]
    public void Silo_EveryOption_IsPassedOn()
    {
        ChildCommand command = ClusterCommands.Silo(Everything, 8081, 3);

        Assert.Equal("silo-3", command.Name);
        Assert.Equal("Llama.Silo", Path.GetFileNameWithoutExtension(command.FileName + ".exe"));
        Assert.Equal(
            [
                "--name=silo-3", "--gateway=http://127.0.0.1:8081", "--listen=127.0.0.1:0", $"--model={Model}", "--threads=4",
                "--context=4096", "--rope-factor=8.5", "--weights=q4_k", "--verbose=True",
            ],
            command.Arguments);
    }

    [Fact]
    public void Gateway_NothingSet_LeavesOptionalOnesOut()
        => Assert.DoesNotContain(
            ClusterCommands.Gateway(new AppHostOptions(), 8080).Arguments,
            argument => argument.Contains("ranges") || argument.Contains("weights") || argument.Contains("context") || argument.Contains("kv-memory"));

    [Fact]
    public void ThreadsOfSilo_NotSet_SharesTheCoresOut()
    {
        Assert.Equal(Environment.ProcessorCount, ClusterCommands.ThreadsOfSilo(new AppHostOptions { Silos = 1 }));
        Assert.Equal(1, ClusterCommands.ThreadsOfSilo(new AppHostOptions { Silos = Environment.ProcessorCount + 1 }));
    }
}
