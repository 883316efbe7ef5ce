using System.Text;
using Llama.Grains.Directory;
using Llama.Grains.Directory.Etcd;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Tests.Directory.Etcd;

/// <summary>Answers as etcd's versions document them, whichever is installed here.</summary>
public sealed class EtcdClientTests
{
    private const string NoLeader34 =
        """{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}""";

    private const string NoLeader36 = """{"error":{"code":14,"message":"etcdserver: no leader","details":[]}}""";
    private const string Put = """{"key":"YQ==","mod_revision":"4"}""";
    private const string Deletion = """{"type":"DELETE","kv":{"key":"Yg==","mod_revision":"4"}}""";

    [Theory]
    [InlineData("""{"header":{"revision":"7"},"kvs":[{"key":"YQ==","version":"1","mod_revision":"5","value":"Yg==","lease":"7587"}]}""")]
    [InlineData("""{"header":{"revision":7},"kvs":[{"key":"YQ==","mod_revision":5,"value":"Yg==","lease":7587}],"more":false}""")]
    public async Task Call_Range_ReadsNumbersAsTextAndAsNumbers(string body)
    {
        await using var server = await Server.StartAsync(200, body);
        EtcdRangeAnswer answer = server.Client.Call<EtcdRangeAnswer>("kv/range", new EtcdRange("a"u8.ToArray(), null));
        EtcdKeyValue pair = Assert.Single(answer.Kvs!);
        Assert.Equal(("a", "b"), (Encoding.UTF8.GetString(pair.Key), Encoding.UTF8.GetString(pair.Value!)));
        Assert.Equal((7, 5, 7587), (answer.Header!.Revision, pair.ModRevision, pair.Lease));
        Assert.Equal("""/v3/kv/range {"key":"YQ=="}""", server.Asked);
    }

    [Fact]
    public async Task Call_Transaction_WritesNumbersAsText()
    {
        await using var server = await Server.StartAsync(200, """{"header":{"revision":"7"},"succeeded":true}""");
        var transaction = new EtcdTransaction(
            [new EtcdCompare("a"u8.ToArray(), 3)], [new EtcdOperation(new EtcdPut("a"u8.ToArray(), "b"u8.ToArray(), 9), null)], []);
        Assert.True(server.Client.Call<EtcdTransactionAnswer>("kv/txn", transaction).Succeeded);
        Assert.Equal(
            """/v3/kv/txn {"compare":[{"key":"YQ==","mod_revision":"3","target":"MOD","result":"EQUAL"}]"""
            + ""","success":[{"request_put":{"key":"YQ==","value":"Yg==","lease":"9"}}],"failure":[]}""",
            server.Asked);
    }

    [Fact]
    public async Task Call_NoEtcd_SaysWhatItAnswered()
    {
        await using var server = await Server.StartAsync(200, "welcome");
        DirectoryException fault = Assert.Throws<DirectoryException>(() => server.Client.Call<EtcdNothing>("kv/range", new { }));
        Assert.Contains("'w' is an invalid start of a value", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    // 3.4 and 3.5, one message a line.
    [InlineData($$$"""{"result":{"created":true}}{{{"\n"}}}{"result":{"events":[{"kv":{{{Put}}}},{{{Deletion}}}]}}{{{"\n"}}}""")]
    // 3.6: the watch's number and the default type may be there.
    [InlineData($$$"""{"result":{"watch_id":"0","created":true}}{"result":{"events":[{"type":"PUT","kv":{{{Put}}}},{{{Deletion}}}]}}""")]
    public async Task WatchAsync_Events_AreRead(string body)
    {
        await using var server = await Server.StartAsync(200, body);
        List<EtcdEvent> events = [];
        await foreach (EtcdWatchAnswer answer in WatchAsync(server)) events.AddRange(answer.Events ?? []);
        Assert.Equal(
            [("a", false), ("b", true)],
            events.Select(change => (Encoding.UTF8.GetString(change.Kv.Key), change.Type == "DELETE")));
        Assert.Equal("""/v3/watch {"create_request":{"key":"YQ==","range_end":"Yg==","start_revision":"4"}}""", server.Asked);
    }

    [Theory]
    [InlineData(200, NoLeader34, "etcd says: etcdserver: no leader")]
    [InlineData(200, NoLeader36, "etcd says: etcdserver: no leader")]
    [InlineData(503, """{"code":14,"message":"etcdserver: no leader","details":[]}""", "etcd says: etcdserver: no leader")]
    [InlineData(200, """{"result":{"canceled":true,"compact_revision":"12"}}""", "what came before revision 12 is compacted")]
    [InlineData(200, """{"result":{"canceled":true,"cancel_reason":"etcdserver: permission denied"}}""", "etcdserver: permission denied")]
    [InlineData(200, "null {}", "etcd's watch gave a message without a result.")]
    public async Task WatchAsync_EndedByEtcd_SaysWhy(int status, string body, string reason)
    {
        await using var server = await Server.StartAsync(status, body);
        DirectoryException fault = await Assert.ThrowsAnyAsync<DirectoryException>(async () =>
        {
            await foreach (EtcdWatchAnswer answer in WatchAsync(server)) Assert.Null(answer.Events);
        });
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    private static IAsyncEnumerable<EtcdWatchAnswer> WatchAsync(Server server) =>
        server.Client.WatchAsync(new EtcdWatch(new EtcdWatchCreate("a"u8.ToArray(), "b"u8.ToArray(), 4)), Patience.Token);

    /// <summary>An HTTP server that always gives the same answer.</summary>
    private sealed class Server(WebApplication application) : IAsyncDisposable
    {
        public EtcdClient Client { get; } =
            new(EtcdAddress.Parse(application.Urls.First().Replace("http://", "etcd://", StringComparison.Ordinal)), null);

        public string? Asked { get; private set; }

        public static async Task<Server> StartAsync(int status, string body)
        {
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            WebApplication application = builder.Build();
            Server? server = null;
            application.Run(async context =>
            {
                using var reader = new StreamReader(context.Request.Body);
                server!.Asked = $"{context.Request.Path} {await reader.ReadToEndAsync(Patience.Token)}";
                context.Response.StatusCode = status;
                await context.Response.WriteAsync(body, Patience.Token);
            });
            await application.StartAsync(Patience.Token);
            return server = new Server(application);
        }

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await application.DisposeAsync();
        }
    }
}
