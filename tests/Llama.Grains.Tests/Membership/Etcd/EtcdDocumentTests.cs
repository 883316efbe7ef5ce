using System.Net;
using System.Net.Sockets;
using System.Text;
using Llama.Grains.Membership;
using Llama.Grains.Tests.Certificates;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership.Etcd;

public sealed class EtcdDocumentTests : MembershipTableContract
{
    private EtcdServer? etcd;

    public override async ValueTask InitializeAsync() => etcd = await EtcdServer.StartNewAsync();

    public override ValueTask DisposeAsync()
    {
        etcd?.Dispose();
        return base.DisposeAsync();
    }

    [Fact]
    public async Task Read_ServerThatHangs_TheNextIsAskedWithinTwoSeconds()
    {
        // The system connects, and nobody answers.
        using var hanging = new TcpListener(IPAddress.Loopback, 0);
        hanging.Start();
        using IMembershipDocument document = Documents.Open($"etcd://{hanging.LocalEndpoint},127.0.0.1:{etcd!.Port}/llama");

        long start = TimeProvider.System.GetTimestamp();
        Assert.Null((await document.ReadAsync(Patience.Token)).Text);
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 1.9, 4);

        // That one is the first to be asked from then on.
        start = TimeProvider.System.GetTimestamp();
        await document.ReadAsync(Patience.Token);
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 0, 1);
    }

    [Fact]
    public async Task Write_EtcdBackWithoutItsData_AnOldRevisionIsRefused()
    {
        using IMembershipDocument document = await OpenAsync();
        await IncrementAsync(document, 3);
        StoredDocument third = await document.ReadAsync(Patience.Token);

        etcd!.Kill();
        MembershipStoreException away = await Assert.ThrowsAsync<MembershipStoreException>(() => document.ReadAsync(Patience.Token));
        Assert.Contains($"127.0.0.1:{etcd.Port}", away.Message, StringComparison.Ordinal);
        etcd.Forget();
        await etcd.StartAsync();

        await IncrementAsync(document, 3);
        Assert.StartsWith("3 ", (await document.ReadAsync(Patience.Token)).Text, StringComparison.Ordinal);
        Assert.False(await document.TryWriteAsync("stale", third.Revision.Replace("/", "0/", StringComparison.Ordinal), "stale", Patience.Token));
    }

    [Fact]
    public async Task Read_EtcdThatAsksForALogin_IsGivenOne()
    {
        await PostAsync("auth/user/add", """{"name":"root","password":"right"}""");
        await PostAsync("auth/role/add", """{"name":"root"}""");
        await PostAsync("auth/user/grant", """{"user":"root","role":"root"}""");
        await PostAsync("auth/enable", "{}");
        using IMembershipDocument right = Documents.Open(etcd!.Address(), new MembershipSecrets { Login = new StoreLogin("root", "right") });
        using IMembershipDocument wrong = Documents.Open(etcd.Address(), new MembershipSecrets { Login = new StoreLogin("root", "wrong") });
        using IMembershipDocument none = Documents.Open(etcd.Address());

        await IncrementAsync(right, 2);

        Assert.StartsWith("2 ", (await right.ReadAsync(Patience.Token)).Text, StringComparison.Ordinal);
        Assert.Contains("authentication failed", await FaultAsync(wrong), StringComparison.Ordinal);
        Assert.Contains("user name is empty", await FaultAsync(none), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_EtcdWithTls_ShowsAndDemandsCertificates()
    {
        using var authority = new TestAuthority();
        using var other = new TestAuthority();
        using EtcdServer secure = await EtcdServer.StartNewAsync(authority.Issue("localhost"));
        using IMembershipDocument member = Documents.Open(secure.Address(), new MembershipSecrets { Certificate = authority.Certificate("silo-1") });
        using IMembershipDocument stranger = Documents.Open(secure.Address(), new MembershipSecrets { Certificate = other.Certificate("silo-2") });

        await IncrementAsync(member, 1);

        Assert.Contains("it is not trusted", await FaultAsync(stranger), StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => Documents.Open(secure.Address()));
    }

    private protected override Task<IMembershipDocument> OpenAsync() => Task.FromResult(Documents.Open(etcd!.Address()));

    private protected override Task LoseAsync() =>
        PostAsync("kv/deleterange", $$"""{"key":"{{Convert.ToBase64String("llama/membership"u8)}}"}""");

    private static async Task<string> FaultAsync(IMembershipDocument document) =>
        (await Assert.ThrowsAsync<MembershipStoreException>(() => document.ReadAsync(Patience.Token))).Message;

    private async Task PostAsync(string path, string body)
    {
        using var http = new HttpClient();
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await http.PostAsync(new Uri($"http://127.0.0.1:{etcd!.Port}/v3/{path}"), content, Patience.Token);
        answer.EnsureSuccessStatusCode();
    }
}
