using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Llama.Grains.Certificates;
using Llama.Model.Kernels;
using Llama.Tests;

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
    public void Validate_FewerCoresThanTheSilosHaveThreads_NamesThem()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        string core = $"{ThreadAffinity.Cores()[0]}";

        Assert.Empty(Validate(new AppHostOptions { Port = 0, Silos = 1, Cores = core }));
        ValidationResult fault = Assert.Single(Validate(new AppHostOptions { Port = 0, Silos = 2, Cores = core }));

        Assert.Equal(["Cores", "Threads"], fault.MemberNames);
    }

    [Fact]
    public void ThreadsOfSilo_NotSet_SharesTheCoresOut()
    {
        Assert.Equal(Environment.ProcessorCount, new AppHostOptions { Silos = 1 }.ThreadsOfSilo);
        Assert.Equal(1, new AppHostOptions { Silos = Environment.ProcessorCount + 1 }.ThreadsOfSilo);
        Assert.Equal(3, new AppHostOptions { Silos = 2, Cores = "0-6" }.ThreadsOfSilo);
        Assert.Equal(2, new AppHostOptions { Silos = 2, Cores = "0-6", Threads = 2 }.ThreadsOfSilo);
    }

    [Fact]
    public void ChoosePort_Zero_ReturnsAFreeOne()
    {
        int port = new AppHostOptions { Port = 0 }.ChoosePort();

        Assert.InRange(port, 1, 65535);
        Assert.Empty(Validate(new AppHostOptions { Port = port }));
        Assert.Equal(4711, new AppHostOptions { Port = 4711 }.ChoosePort());
    }

    [Fact]
    public void Validate_CertificateOfAnotherHost_SaysWhichIsExpected()
    {
        using var folder = new TemporaryFolder();
        CertificateAuthority.Open(folder["authority"], "authority", TimeProvider.System).Issue(folder["machine-1"], "machine-1");
        var options = new AppHostOptions { Port = 0, Tls = folder["machine-1"] };
        Assert.Empty(Validate(options));

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=elsewhere", key, HashAlgorithmName.SHA256);
        using X509Certificate2 elsewhere = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        foreach (string file in (string[])[CertificateFolder.Authorities, CertificateFolder.Certificate])
            File.WriteAllText(Path.Combine(options.Tls, file), elsewhere.ExportCertificatePem());
        File.WriteAllText(Path.Combine(options.Tls, CertificateFolder.Key), key.ExportPkcs8PrivateKeyPem());

        ValidationResult fault = Assert.Single(Validate(options));
        Assert.Equal(["Tls"], fault.MemberNames);
        Assert.Contains("expected one for localhost", fault.ErrorMessage, StringComparison.Ordinal);
    }

    private static IEnumerable<ValidationResult> Validate(AppHostOptions options) => options.Validate(new ValidationContext(options));
}
