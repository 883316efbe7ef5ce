using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;
using Llama.Model.Kernels;

namespace Llama.Gateway.Tests;

public sealed class GatewayOptionsTests
{
    private static readonly GatewayOptions Serving = new() { Model = "." };

    [Theory]
    [InlineData("Host", "127.0.0.1:8080")]
    [InlineData("Host", "http://gateway")]
    [InlineData("Ranges", "0-6;6-12")]
    [InlineData("Ranges", "0-")]
    [InlineData("UnknownFields", "drop")]
    [InlineData("CorsOrigins", "chat.example.org")]
    [InlineData("CorsOrigins", "https://chat.example.org/path")]
    [InlineData("CorsOrigins", "*,https://chat.example.org")]
    public void Option_WrongValue_IsRefused(string property, string value) => Assert.False(IsAllowed(property, value));

    [Theory]
    [InlineData("Host", "0.0.0.0")]
    [InlineData("Host", "::1")]
    [InlineData("Host", "gateway.example.org")]
    [InlineData("Ranges", "0-6,6-12")]
    [InlineData("Ranges", "0-12")]
    [InlineData("UnknownFields", "ignore")]
    [InlineData("CorsOrigins", "*")]
    [InlineData("CorsOrigins", "https://chat.example.org, http://localhost:3000")]
    public void Option_RightValue_IsAllowed(string property, string value) => Assert.True(IsAllowed(property, value));

    [Theory]
    [InlineData(1, false)]
    [InlineData(1L << 20, true)]
    [InlineData(1L << 47, false)]
    public void KvMemory_Size_IsBounded(long bytes, bool allowed) => Assert.Equal(allowed, IsAllowed("KvMemory", new ByteSize(bytes)));

    [Theory]
    [InlineData(0, false)]
    [InlineData(60, true)]
    [InlineData(100_000, false)]
    public void RecoveryTimeout_Seconds_IsBounded(int seconds, bool allowed)
        => Assert.Equal(allowed, IsAllowed("RecoveryTimeout", TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("StepTokens", 15, false)]
    [InlineData("StepTokens", 16, true)]
    [InlineData("StepTokens", 2048, true)]
    [InlineData("StepTokens", 2049, false)]
    [InlineData("ClientShare", 0, false)]
    [InlineData("ClientShare", 100, true)]
    [InlineData("ClientShare", 101, false)]
    [InlineData("MaxWaitingTokens", 0, false)]
    public void Limit_Number_IsBounded(string property, int value, bool allowed) => Assert.Equal(allowed, IsAllowed(property, value));

    [Fact]
    public void Validate_ReachableWithoutKey_IsRefused()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("LLAMA_CLUSTER_KEY") is not null, "the environment has a cluster key");
        var open = Serving with { Host = "0.0.0.0" };

        Assert.Equal(["Host"], Assert.Single(open.Validate(new ValidationContext(open))).MemberNames);
        Assert.Empty(Serving.Validate(new ValidationContext(open)));
    }

    [Fact]
    public void Validate_KeysThatAreNotThere_AreRefused()
    {
        var options = Serving with { ApiKeyFile = "/no/such/file" };

        Assert.Equal(["ApiKeyFile"], Assert.Single(options.Validate(new ValidationContext(options))).MemberNames);
        options = Serving with { CachePerKey = true };
        Assert.Equal(["CachePerKey"], Assert.Single(options.Validate(new ValidationContext(options))).MemberNames);
    }

    [Fact]
    public void Validate_GrpcPortOfHttp_IsRefused()
    {
        var options = Serving with { Port = 8080, GrpcPort = 8080 };

        Assert.Equal(["GrpcPort"], Assert.Single(options.Validate(new ValidationContext(options))).MemberNames);
        Assert.Empty((options with { GrpcPort = 8081 }).Validate(new ValidationContext(options)));
        Assert.Empty((options with { Port = 0, GrpcPort = 0 }).Validate(new ValidationContext(options)));
    }

    [Fact]
    public void Validate_MoreReplicasThanSilos_IsRefused()
    {
        var options = Serving with { Replicas = 2 };

        Assert.Equal(["Replicas", "Silos"], Assert.Single(options.Validate(new ValidationContext(options))).MemberNames);
        Assert.Empty((options with { Silos = 2 }).Validate(new ValidationContext(options)));
    }

    [Fact]
    public void Validate_ClusterWithoutSilos_IsRefused()
    {
        var options = Serving with { Cluster = "etcd://node-7" };

        Assert.Equal(["Silos"], Assert.Single(options.Validate(new ValidationContext(options))).MemberNames);
        Assert.Empty((options with { Silos = 2 }).Validate(new ValidationContext(options)));
    }

    [Fact]
    public void Validate_SilosAndEveryInterface_AsksWhereOthersReachIt()
    {
        var options = Serving with { Silos = 2, Host = "0.0.0.0" };

        ValidationResult fault = options.Validate(new ValidationContext(options)).First();
        Assert.Equal(["Host"], fault.MemberNames);
        Assert.Contains("--advertise", fault.ErrorMessage, StringComparison.Ordinal);
        options = options with { Advertise = "node-1" };
        Assert.DoesNotContain(
            options.Validate(new ValidationContext(options)),
            one => one.ErrorMessage!.Contains("--advertise", StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_FewerCoresThanThreads_IsRefusedWhereTheGatewayComputes()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        var options = Serving with { Threads = 2, Cores = $"{ThreadAffinity.Cores()[0]}" };

        Assert.Equal(["Cores", "Threads"], Assert.Single(options.Validate(new ValidationContext(options))).MemberNames);
        Assert.Empty((options with { Threads = 1 }).Validate(new ValidationContext(options)));
        Assert.Empty((options with { Silos = 1 }).Validate(new ValidationContext(options)));
    }

    [Fact]
    public void Validate_NoModel_IsMissingUnlessItIsAFront()
    {
        var options = new GatewayOptions();

        Assert.Equal(["Model"], Assert.Single(options.Validate(new ValidationContext(options))).MemberNames);
        Assert.Empty((options with { Front = true }).Validate(new ValidationContext(options)));
        Assert.True(IsAllowed("Model", ""));
    }

    [Fact]
    public void Validate_FrontWithWhatIsNoneOfIts_NamesEachOption()
    {
        var options = new GatewayOptions
        {
            Front = true, Model = "models", Silos = 2, Threads = 99, Memory = new ByteSize(1L << 30), Replicas = 2, Name = "front", Cluster = "memory",
            MaxWaiting = 3, Weights = "q8_0",
        };

        ValidationResult[] faults = [.. options.Validate(new ValidationContext(options))];

        Assert.All(faults, fault => Assert.Contains("--front", fault.ErrorMessage, StringComparison.Ordinal));
        Assert.Equal(
            ["Cluster", "MaxWaiting", "Memory", "Model", "Name", "Replicas", "Silos", "Threads", "Weights"],
            faults.Select(fault => fault.MemberNames.First()).Order());
    }

    [Fact]
    public void Validate_FrontWithAllThatItTakes_IsAllowed()
    {
        var options = new GatewayOptions
        {
            Front = true, Cluster = "http://127.0.0.1:8080", Port = 0, Advertise = "api.example.org", UnknownFields = "ignore",
            RecoveryTimeout = TimeSpan.FromSeconds(5), ShutdownTimeout = TimeSpan.Zero, Verbose = true,
        };

        Assert.Empty(options.Validate(new ValidationContext(options)));
        Assert.False(options.ServesAlone);
    }

    private static bool IsAllowed(string property, object value)
        => Validator.TryValidateProperty(value, new ValidationContext(new GatewayOptions()) { MemberName = property }, null);
}
