using Llama.Grains.Directory.Etcd;

namespace Llama.Grains.Tests.Directory.Etcd;

public sealed class EtcdExceptionTests
{
    [Theory]
    // etcd 3.4, 3.5 and 3.6: no such lease.
    [InlineData(404, """{"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5}""", 5)]
    [InlineData(404, """{"error":"etcdserver: requested lease not found","code":5,"message":"etcdserver: requested lease not found"}""", 5)]
    [InlineData(404, """{"code":5,"message":"etcdserver: requested lease not found","details":[]}""", 5)]
    // Inside a stream.
    [InlineData(200, """{"grpc_code":5,"http_code":404,"message":"etcdserver: requested lease not found","http_status":"Not Found"}""", 5)]
    [InlineData(200, """{"error":{"code":5,"message":"etcdserver: requested lease not found","details":[]}}""", 5)]
    // Before 3.4 gateways wrote the text alone; the status says what kind.
    [InlineData(503, """{"error":"etcdserver: requested lease not found"}""", 14)]
    public void Read_BodiesOfAllVersions_GiveCodeAndMessage(int status, string body, int code)
    {
        EtcdException fault = EtcdException.Read(body, status);
        Assert.Equal((code, "etcd says: etcdserver: requested lease not found"), ((int)fault.Code, fault.Message));
    }

    [Theory]
    [InlineData(502, "<html>Bad Gateway</html>", 14, "etcd says: 502 <html>Bad Gateway</html>")]
    [InlineData(401, "", 16, "etcd says: 401 ")]
    [InlineData(404, "Not Found\n", 0, "etcd says: 404 Not Found")]
    [InlineData(500, "[1]", 14, "etcd says: 500 [1]")]
    [InlineData(500, """{"code":"x","message":7}""", 14, "etcd says: 500 {\"code\":\"x\",\"message\":7}")]
    [InlineData(500, """{"code":1e99,"message":"big"}""", 14, "etcd says: big")]
    public void Read_BodiesOfNoEtcd_AreToldAsTheyAre(int status, string body, int code, string message)
    {
        EtcdException fault = EtcdException.Read(body, status);
        Assert.Equal((code, message), ((int)fault.Code, fault.Message));
    }

    [Fact]
    public void Read_LongBody_IsCut() => Assert.True(EtcdException.Read(new string('x', 100_000), 500).Message.Length < 400);

    [Theory]
    [InlineData("""{"code":16,"message":"etcdserver: invalid auth token"}""", true, false)]
    [InlineData("""{"code":3,"message":"etcdserver: user name is empty"}""", true, false)]
    [InlineData("""{"code":3,"message":"etcdserver: revision of auth store is old"}""", true, false)]
    [InlineData("""{"code":3,"message":"etcdserver: authentication failed, invalid user ID or password"}""", false, false)]
    [InlineData("""{"code":14,"message":"etcdserver: no leader"}""", false, true)]
    [InlineData("""{"code":14,"message":"etcdserver: request timed out"}""", false, true)]
    [InlineData("""{"code":7,"message":"etcdserver: permission denied"}""", false, false)]
    public void Read_KindsOfErrors_SayWhatHelps(string body, bool token, bool server)
    {
        EtcdException fault = EtcdException.Read(body, 400);
        Assert.Equal((token, server), (fault.IsOfToken, fault.IsOfServer));
    }
}
