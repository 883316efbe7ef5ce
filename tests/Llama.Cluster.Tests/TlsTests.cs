using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Grpc.Core;
using Llama.Bench.Processes;
using Llama.Client;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Certificates;
using Llama.Grains.Hosting;
using Llama.Tests;
using Microsoft.Extensions.AI;

namespace Llama.Cluster.Tests;

/// <summary>Clusters with <c>--tls</c>, from <c>certify</c> to the tokens, and who is kept out of them.</summary>
public sealed class TlsTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly string Llama1 = Path.Combine(TestPaths.Fixtures, "llama-1");

    private readonly TemporaryFolder folder = new();

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    /// <inheritdoc/>
    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Cluster_OfCertify_GivesTheGoldenTokensOverHttpsAndRefusesOthers()
    {
        using (var certify = new RunningProgram(ChildCommand.ForProgram("certify", "Llama.Tool", ["certify", folder.Path])))
            Assert.Equal(0, await certify.ExitsAsync(Deadline));
        using var cluster = new TestCluster(Path.Combine(Llama1, "meta"), 2, tls: folder["localhost"]);
        RunningProgram gateway = cluster.StartGateway($"--tls={folder["gateway"]}");
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        RunningProgram alone = cluster.StartSilo(3, $"--tls={Stranger("stranger")}");
        cluster.StartSilo(4, $"--tls={Intruder()}");
        await cluster.ReadyAsync();

        GoldenTokens golden = Assert.Single(GoldenTokens.Read(Path.Combine(Llama1, "golden.json")));
        Assert.Equal(golden.Greedy, await cluster.Client.CompleteAsync(golden.Request));

        Uri https = cluster.Client.Http.BaseAddress!;
        RunningProgram plain = cluster.StartThroughGateway(5, $"http://localhost:{https.Port}");
        using (var http = new HttpClient())
        {
            using HttpResponseMessage answer = await http.GetAsync(new Uri($"http://localhost:{https.Port}/health"), TestEnds);
            Assert.Equal("This port speaks HTTPS, not HTTP.\n", await answer.Content.ReadAsStringAsync(TestEnds));
        }

        // gRPC is on the same port: a call of grpc.health.v1.Health/Check with an empty message answers SERVING (1).
        using (var call = new HttpRequestMessage(HttpMethod.Post, "grpc.health.v1.Health/Check"))
        {
            (call.Version, call.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
            call.Content = new ByteArrayContent(new byte[5]);
            call.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
            using HttpResponseMessage answer = await cluster.Client.Http.SendAsync(call, TestEnds);
            Assert.Equal([0, 0, 0, 0, 2, 8, 1], await answer.Content.ReadAsByteArrayAsync(TestEnds));
        }

        // Llama.Client hears that this model has no tokenizer, and from a gateway that it cannot trust nothing.
        LlamaException refused = await ChatAsync(https, "localhost");
        Assert.Equal((StatusCode.InvalidArgument, "messages"), (refused.Status, refused.Param));
        Assert.Contains("SSL", (await ChatAsync(https, "stranger")).Message, StringComparison.Ordinal);

        // One that sees others' rows in the files never connects to them, but by chance; one that asks the gateway must.
        await alone.SaysAsync("it has a certificate of an authority that this process does not trust", Deadline);
        RunningProgram stranger = cluster.StartThroughGateway(7, null, $"--tls={folder["stranger"]}");
        await stranger.SaysAsync("is not signed by an authority in ", Deadline);
        if (Socket.OSSupportsIPv6)
        {
            // Reaches the same port by an address that is not in the gateway's certificate.
            RunningProgram misled = cluster.StartThroughGateway(6, $"https://[::ffff:127.0.0.1]:{https.Port}");
            await misled.SaysAsync("its certificate 'CN=gateway' is for gateway, localhost, ", Deadline);
        }

        await gateway.SaysAsync("its certificate 'CN=intruder' is not signed by an authority in ", Deadline);
        await plain.SaysAsync("is not encrypted; expected an https URL, because of --tls", Deadline);
        Assert.Equal(["silo-1", "silo-2"], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
        Assert.Empty((await cluster.Client.StatusAsync()).Standby);
    }

    [Fact]
    public async Task Join_GatewayWithoutTls_IsSaid()
    {
        using var cluster = new TestCluster(Path.Combine(Llama1, "meta"), 1);
        cluster.StartGateway();
        string https = $"https://localhost:{cluster.Client.Http.BaseAddress!.Port}";

        RunningProgram silo = cluster.StartThroughGateway(1, https, $"--tls={Stranger("silo")}");

        await silo.SaysAsync("no TLS handshake, it may not speak TLS", Deadline);
    }

    [Fact]
    public async Task Complete_AtAGatewayBesideTheOwnerWithTls_GivesTheSameTokens()
    {
        string tls = Stranger("localhost");
        using EtcdServer etcd = await EtcdServer.StartNewAsync(tls);
        using var cluster = new TestCluster(Path.Combine(Llama1, "meta"), 1, etcd.Address(), tls);
        cluster.StartGateway();
        cluster.StartSilo(1);
        await cluster.ReadyAsync();
        int port = FreePort.Choose();
        cluster.StartGateway($"--port={port}");
        using var other = new GatewayClient(port, Path.Combine(tls, CertificateFolder.Authorities));
        await other.ReadyAsync(() => cluster.Output);
        GoldenTokens golden = Assert.Single(GoldenTokens.Read(Path.Combine(Llama1, "golden.json")));
        Assert.Equal(golden.Greedy, await other.CompleteAsync(golden.Request));
    }

    /// <summary>What a chat fails with whose client trusts the authorities of a folder.</summary>
    private async Task<LlamaException> ChatAsync(Uri address, string authorities)
    {
        using var client = new LlamaChatClient(new()
        {
            Addresses = [address],
            AuthorityFile = Path.Combine(folder[authorities], CertificateFolder.Authorities),
        });
        return await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", cancellationToken: TestEnds));
    }

    /// <summary>A folder of another authority.</summary>
    private string Stranger(string name)
    {
        CertificateAuthority.Open(folder["other"], "another authority", TimeProvider.System).Issue(folder[name], name);
        return folder[name];
    }

    /// <summary>One that trusts this cluster's authority, too, with whatever right.</summary>
    private string Intruder()
    {
        string intruder = Stranger("intruder");
        string ours = File.ReadAllText(Path.Combine(folder["gateway"], CertificateFolder.Authorities));
        File.AppendAllText(Path.Combine(intruder, CertificateFolder.Authorities), ours);
        return intruder;
    }
}
