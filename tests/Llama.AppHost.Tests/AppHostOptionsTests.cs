using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;

namespace Llama.AppHost.Tests;

public sealed class AppHostOptionsTests
{
    [Fact]
    public void Validate_PortIsTaken_NamesIt()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        int port = ((IPEndPoint)other.LocalEndpoint).Port;

        ValidationResult fault = Assert.Single(Validate(new AppHostOptions { Port = port }));

        Assert.Equal(["Port"], fault.MemberNames);
        Assert.Contains("in use", fault.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_MoreReplicasThanSilos_NamesThem()
    {
        ValidationResult fault = Assert.Single(Validate(new AppHostOptions { Port = 0, Silos = 2, Replicas = 3 }));

        Assert.Equal(["Replicas", "Silos"], fault.MemberNames);
    }

    [Fact]
    public void Validate_MoreRangesThanSilos_NamesThem()
    {
        Assert.Empty(Validate(new AppHostOptions { Port = 0, Silos = 2, Ranges = "0-1,1-6" }));
        ValidationResult fault = Assert.Single(Validate(new AppHostOptions { Port = 0, Silos = 2, Ranges = "0-1,1-2,2-6" }));

        Assert.Equal(["Ranges", "Silos"], fault.MemberNames);
    }

    [Fact]
    public void ChoosePort_Zero_ReturnsAFreeOne()
    {
        int port = new AppHostOptions { Port = 0 }.ChoosePort();

        Assert.InRange(port, 1, 65535);
        Assert.Empty(Validate(new AppHostOptions { Port = port }));
        Assert.Equal(4711, new AppHostOptions { Port = 4711 }.ChoosePort());
    }

    private static IEnumerable<ValidationResult> Validate(AppHostOptions options) => options.Validate(new ValidationContext(options));
}
