using Llama.Grains.Settings;

namespace Llama.AppHost.Tests;

public sealed class ClusterArgumentsTests
{
    private static readonly string Model = Path.GetFullPath("models/some");

    private static readonly string Tls = Path.GetFullPath("tls/localhost");

    private static readonly AppHostOptions Everything = new()
    {
        Model = "models/some",
        Silos = 3,
        Replicas = 2,
        Threads = 2,
        Cores = "8-11,3,2,5",
        Instructions = "avx2",
        Devices = "cuda:1",
        Torch = "some/torch",
        Ranges = "0-6,6-12",
        KvMemory = new ByteSize(3L << 29),
        Memory = new ByteSize(5L << 30),
        LogMemory = new ByteSize(1L << 28),
        StepTokens = 64,
        Context = 4096,
        RopeFactor = 8.5f,
        Weights = "q4_k",
        KvType = "q8_0",
        ChatTemplate = "llama3",
        UnknownFields = "ignore",
        Pooling = "last",
        Cluster = "etcd://node-7",
        ClusterLoginFile = "some/login",
        Verbose = true,
        LogFormat = "json",
        Tls = "tls/localhost",
    };

    [Fact]
    public void Gateway_EveryOption_IsPassedOn()
    {
        Assert.Equal(
            [
                "--host=127.0.0.1", "--port=8082", $"--model={Model}", "--silos=3", "--replicas=2", "--ranges=0-6,6-12",
                "--kv-memory=1536MiB", "--step-tokens=64", "--context=4096", "--rope-factor=8.5", "--weights=q4_k", "--kv-type=q8_0",
                "--chat-template=llama3", "--unknown-fields=ignore", "--pooling=last", "--cluster=etcd://node-7",
                $"--cluster-login-file={Path.GetFullPath("some/login")}", "--shutdown-timeout=00:00:01", $"--tls={Tls}", "--verbose=True", "--log-format=json",
            ],
            ClusterArguments.Gateway(Everything, 8081, 8082));
    }

    [Fact]
    public void Front_EveryOption_IsPassedOn()
        => Assert.Equal(
            [
                "--front=True", "--host=127.0.0.1", "--port=8083", "--unknown-fields=ignore", "--pooling=last", "--cluster=etcd://node-7",
                $"--cluster-login-file={Path.GetFullPath("some/login")}", "--shutdown-timeout=00:00:01", $"--tls={Tls}", "--verbose=True", "--log-format=json",
            ],
            ClusterArguments.Front(Everything, 8081, 8083));

    [Fact]
    public void Silo_EveryOption_IsPassedOn()
    {
        Assert.Equal(
            [
                "--name=silo-3", "--cluster=etcd://node-7", "--listen=127.0.0.1:0", $"--model={Model}", "--threads=2",
                "--memory=5GiB", "--log-memory=256MiB", "--cores=3,2", "--instructions=avx2", "--devices=cuda:1",
                $"--torch={Path.GetFullPath("some/torch")}", "--context=4096", "--rope-factor=8.5", "--weights=q4_k", "--kv-type=q8_0",
                $"--cluster-login-file={Path.GetFullPath("some/login")}", $"--tls={Tls}", "--verbose=True", "--log-format=json",
            ],
            ClusterArguments.Silo(Everything, 8081, 3));
    }

    [Fact]
    public void Arguments_WithoutAddress_FindEachOtherInFilesOfTheirPort()
    {
        string cluster = Assert.Single(
            ClusterArguments.Gateway(new AppHostOptions(), 8081, 8081), argument => argument.StartsWith("--cluster=", StringComparison.Ordinal));
        Assert.EndsWith("port-8081", cluster, StringComparison.Ordinal);
        Assert.Contains(cluster, ClusterArguments.Gateway(new AppHostOptions { Gateways = 2 }, 8081, 9000));
        Assert.Contains(cluster, ClusterArguments.Silo(new AppHostOptions(), 8081, 1));
        Assert.DoesNotContain(cluster, ClusterArguments.Silo(new AppHostOptions(), 8082, 1));
    }

    [Fact]
    public void Gateway_NothingSet_LeavesOptionalOnesOut()
        => Assert.DoesNotContain(
            ClusterArguments.Gateway(new AppHostOptions(), 8080, 8080),
            argument => argument.Contains("ranges") || argument.Contains("weights") || argument.Contains("context") || argument.Contains("kv-memory"));

    [Fact]
    public void Silo_Cores_BelongToNoOther()
    {
        string[] cores =
        [
            .. Enumerable.Range(1, 3).SelectMany(number => ClusterArguments.Silo(Everything, 8081, number))
                .Where(argument => argument.StartsWith("--cores=", StringComparison.Ordinal)),
        ];
        Assert.Equal(["--cores=8,9", "--cores=10,11", "--cores=3,2"], cores);
        Assert.DoesNotContain(
            ClusterArguments.Silo(new AppHostOptions(), 8080, 1),
            argument => argument.StartsWith("--cores", StringComparison.Ordinal));
    }
}
