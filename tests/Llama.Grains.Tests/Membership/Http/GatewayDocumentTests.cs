using Llama.Grains.Membership;
using Llama.Grains.Membership.Files;
using Llama.Grains.Membership.Http;
using Llama.Grains.Tests.Certificates;
using Llama.Tests;
using Microsoft.AspNetCore.Http;

namespace Llama.Grains.Tests.Membership.Http;

/// <summary>The document in a gateway's memory, as a silo uses it.</summary>
public sealed class GatewayDocumentTests : MembershipTableContract
{
    private static readonly byte[] Key = "the key of this cluster"u8.ToArray();

    private TestGateway? gateway;

    public override async ValueTask InitializeAsync() => gateway = await TestGateway.StartAsync(new MemoryDocument(), Key);

    public override async ValueTask DisposeAsync()
    {
        if (gateway is not null) await gateway.DisposeAsync();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData("the key of another one")]
    [InlineData("")]
    public async Task Call_WithoutTheKey_IsRefused(string key)
    {
        using var document = new MemoryDocument();
        await using TestGateway other = await TestGateway.StartAsync(document, Key);
        using IMembershipDocument stranger = Open(other.Address, System.Text.Encoding.UTF8.GetBytes(key));

        Assert.Contains("status 403: it does not prove that it has the key", await FaultAsync(stranger), StringComparison.Ordinal);
        string revision = (await document.ReadAsync(Patience.Token)).Revision;
        await Assert.ThrowsAsync<MembershipStoreException>(() => stranger.TryWriteAsync("theirs", revision, "1", Patience.Token));
        Assert.Equal(new StoredDocument(null, revision), await document.ReadAsync(Patience.Token));
    }

    [Fact]
    public async Task Read_AnswerWithoutTheKey_IsNotBelieved()
    {
        await using TestGateway stranger = await TestGateway.StartAsync(context =>
        {
            context.Response.Headers.ETag = "\"7\"";
            return context.Response.WriteAsync("a document of theirs");
        });
        using IMembershipDocument document = Open(stranger.Address, Key);

        Assert.Contains("does not prove that it has this cluster's key", await FaultAsync(document), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_AnswerOfAnEarlierRequest_IsNotBelieved()
    {
        using var document = new MemoryDocument();
        var endpoint = new MembershipEndpoint(
            document, Key, false, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<MembershipEndpoint>.Instance);
        Dictionary<string, string> first = [];
        await using TestGateway man = await TestGateway.StartAsync(async context =>
        {
            if (first.Count == 0 || context.Request.Headers[MembershipProof.Nonce].Count == 0)
            {
                await endpoint.InvokeAsync(context);
                if (context.Response.StatusCode == StatusCodes.Status204NoContent)
                    foreach (string name in (string[])[MembershipProof.Proof, "ETag"]) first[name] = context.Response.Headers[name].ToString();
                return;
            }

            context.Response.StatusCode = StatusCodes.Status204NoContent;
            foreach ((string name, string value) in first) context.Response.Headers[name] = value;
        });
        using IMembershipDocument silo = Open(man.Address, Key);

        Assert.Null((await silo.ReadAsync(Patience.Token)).Text);
        Assert.Contains("does not prove that it has this cluster's key", await FaultAsync(silo), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_GatewayStartedAnew_IsAskedWithANewNonce()
    {
        using IMembershipDocument document = await OpenAsync();
        await IncrementAsync(document, 2);
        await LoseAsync();
        await IncrementAsync(document, 3);
        Assert.StartsWith("3 ", (await document.ReadAsync(Patience.Token)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_GatewayThatHangs_EndsAfterTwoSeconds()
    {
        await using TestGateway hanging = await TestGateway.StartAsync(context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        using IMembershipDocument document = Open(hanging.Address, Key);

        long start = TimeProvider.System.GetTimestamp();
        Assert.Contains("no answer within 2 s", await FaultAsync(document), StringComparison.Ordinal);
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 1.9, 4);
    }

    [Fact]
    public async Task Read_StoreBehindTheGatewayAway_SaysSo()
    {
        using var folder = new TemporaryFolder();
        using var files = new FileDocument(folder["root"], "llama", TimeProvider.System);
        await using TestGateway before = await TestGateway.StartAsync(files, Key);
        using IMembershipDocument document = Open(before.Address, Key);
        await IncrementAsync(document, 2);
        Assert.StartsWith("2 ", (await files.ReadAsync(Patience.Token)).Text, StringComparison.Ordinal);

        System.IO.Directory.Delete(folder["root"], recursive: true);

        Assert.Contains($"the folder '{folder["root"]}' does not exist", await FaultAsync(document), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_WithTls_NeedsACertificateOfTheAuthorityAndTheKey()
    {
        using var authority = new TestAuthority();
        using var otherAuthority = new TestAuthority();
        await using TestGateway secure = await TestGateway.StartAsync(new MemoryDocument(), Key, authority.Certificate("localhost"));
        MembershipSecrets secrets = new() { Key = Key, Certificate = authority.Certificate("silo-1") };
        using IMembershipDocument member = Documents.Open($"{secure.Address}", secrets);
        using IMembershipDocument keyless = Documents.Open($"{secure.Address}", secrets with { Key = default });
        using IMembershipDocument stranger = Documents.Open(
            $"{secure.Address}", secrets with { Certificate = otherAuthority.Certificate("silo-1") });
        using IMembershipDocument plain = Open(new Uri($"http://{secure.Address.Authority}"), Key);

        await IncrementAsync(member, 2);

        Assert.Contains("status 403", await FaultAsync(keyless), StringComparison.Ordinal);
        Assert.Contains("it is not trusted: its certificate 'CN=localhost' is not signed", await FaultAsync(stranger), StringComparison.Ordinal);
        await FaultAsync(plain);
        Assert.Throws<InvalidDataException>(() => Open(secure.Address, Key));
    }

    private protected override Task<IMembershipDocument> OpenAsync() => Task.FromResult(Open(gateway!.Address, Key));

    private protected override async Task LoseAsync()
    {
        int port = gateway!.Address.Port;
        await gateway.DisposeAsync();
        gateway = await TestGateway.StartAsync(new MemoryDocument(), Key, port: port);
    }

    private static IMembershipDocument Open(Uri address, byte[] key) => Documents.Open($"{address}", new MembershipSecrets { Key = key });

    private static async Task<string> FaultAsync(IMembershipDocument document) =>
        (await Assert.ThrowsAsync<MembershipStoreException>(() => document.ReadAsync(Patience.Token))).Message;
}
