using System.ComponentModel.DataAnnotations;
using Llama.Model.Kernels;

namespace Llama.Silo.Tests;

public sealed class SiloOptionsTests
{
    [Fact]
    public void Name_Default_IsAllowed()
    {
        var options = new SiloOptions();

        Assert.EndsWith($"-{Environment.ProcessId}", options.Name, StringComparison.Ordinal);
        Assert.Matches("^[A-Za-z0-9._-]{1,64}$", options.Name);
    }

    [Theory]
    [InlineData("Name", "silo 1")]
    [InlineData("Gateway", "127.0.0.1:8080")]
    [InlineData("Listen", "127.0.0.1")]
    [InlineData("Advertise", "node 7")]
    [InlineData("Cores", "0-3,3")]
    [InlineData("Cluster", "ftp://node-7:2379")]
    [InlineData("Cluster", "etcd://user:password@node-7")]
    public void Option_WrongValue_IsRefused(string property, string value) => Assert.False(IsAllowed(property, value));

    [Theory]
    [InlineData("Name", "rack-3.silo_1")]
    [InlineData("Gateway", "https://gateway.example.org")]
    [InlineData("Listen", "[::1]:9000")]
    [InlineData("Advertise", "node-7")]
    [InlineData("Advertise", "node-7:9000")]
    [InlineData("Cores", "0-3,6")]
    [InlineData("Cluster", "etcd://node-7:2379,node-8/second")]
    [InlineData("Cluster", "redis://node-7:6379")]
    [InlineData("Cluster", "/var/lib/llama")]
    public void Option_RightValue_IsAllowed(string property, string value) => Assert.True(IsAllowed(property, value));

    [Fact]
    public void Validate_EveryInterfaceWithoutAdvertise_AsksForIt()
    {
        ValidationResult fault = Validate(new SiloOptions { Listen = "0.0.0.0:9000" })[0];

        Assert.Equal(["Listen"], fault.MemberNames);
        Assert.Contains("--advertise", fault.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_ReachableWithoutKey_IsRefused()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("LLAMA_CLUSTER_KEY") is not null, "the environment has a cluster key");

        ValidationResult fault = Assert.Single(Validate(new SiloOptions { Listen = "10.0.0.7:9000" }));

        Assert.Contains("cluster key", fault.ErrorMessage, StringComparison.Ordinal);
        Assert.Empty(Validate(new SiloOptions()));
    }

    [Fact]
    public void Validate_RemoteGatewayAndLoopbackListen_IsRefused()
    {
        ValidationResult fault = Assert.Single(Validate(new SiloOptions { Gateway = "http://node-1:8080" }));

        Assert.Equal(["Listen"], fault.MemberNames);
        Assert.Contains("http://node-1:8080", fault.ErrorMessage, StringComparison.Ordinal);
        Assert.Empty(Validate(new SiloOptions { Gateway = "http://node-1:8080", Advertise = "node-2:9000" }));
    }

    [Fact]
    public void Validate_RemoteClusterAndLoopbackListen_IsRefused()
    {
        ValidationResult fault = Assert.Single(Validate(new SiloOptions { Cluster = "etcd://127.0.0.1,node-7" }));

        Assert.Equal(["Listen"], fault.MemberNames);
        Assert.Contains("the cluster at etcd://127.0.0.1,node-7 is on another one", fault.ErrorMessage, StringComparison.Ordinal);
        Assert.Empty(Validate(new SiloOptions { Cluster = "etcd://127.0.0.1:2379" }));
        fault = Assert.Single(Validate(new SiloOptions { Cluster = "etcds://127.0.0.1" }));
        Assert.Equal(["Cluster", "Tls"], fault.MemberNames);
        Assert.Contains("speaks TLS and needs --tls", fault.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_GatewayAndCluster_IsRefused() => Assert.Equal(
        ["Gateway"],
        Assert.Single(Validate(new SiloOptions { Cluster = "etcd://127.0.0.1:2379", Gateway = "http://127.0.0.1:8080" })).MemberNames);

    [Fact]
    public void Validate_MemoryOfTheSilo_IsRefused() =>
        Assert.Equal(["Cluster"], Assert.Single(Validate(new SiloOptions { Cluster = "memory" })).MemberNames);

    [Fact]
    public void Validate_FewerCoresThanThreads_NamesBoth()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        var options = new SiloOptions { Threads = 1, Cores = $"{ThreadAffinity.Cores()[0]}" };

        Assert.Empty(Validate(options));
        Assert.Equal(["Cores", "Threads"], Assert.Single(Validate(options with { Threads = 2 })).MemberNames);
    }

    [Theory]
    [InlineData("https://localhost:8080", null, "needs --tls")]
    [InlineData("http://127.0.0.1:8080", "no/such/folder", "expected an https URL")]
    public void Validate_TlsOnOneSideOnly_NamesBoth(string gateway, string? tls, string message)
    {
        ValidationResult fault = Validate(new SiloOptions { Gateway = gateway, Tls = tls })[0];

        Assert.Equal(["Gateway", "Tls"], fault.MemberNames);
        Assert.Contains(message, fault.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_NoCertificate_NamesTheFile()
    {
        ValidationResult fault = Assert.Single(Validate(new SiloOptions { Gateway = "https://localhost:8080", Tls = "no/such/folder" }));

        Assert.StartsWith(
            $"--tls: '{Path.Combine("no/such/folder", "ca.pem")}' cannot be read", fault.ErrorMessage, StringComparison.Ordinal);
    }

    private static bool IsAllowed(string property, string value)
        => Validator.TryValidateProperty(value, new ValidationContext(new SiloOptions()) { MemberName = property }, null);

    private static List<ValidationResult> Validate(SiloOptions options) => [.. options.Validate(new ValidationContext(options))];
}
