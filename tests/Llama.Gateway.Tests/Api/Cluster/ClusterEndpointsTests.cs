using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Cluster;

public sealed class ClusterEndpointsTests
{
    [Fact]
    public async Task GetCluster_Status_IsCamelCaseJson()
    {
        await using var gateway = await TestGateway.StartAsync();
        Assert.Equal(
            """{"epoch":1,"model":"test-model","ready":true,"maxSequenceTokens":64,"pipelines":[{"replica":0,"stages":["""
            + """{"silo":"silo-1","address":"127.0.0.1:40001","processId":4711,"layers":[0,4],"weightBytes":1843200,"state":"ready"},"""
            + """{"silo":"silo-2","address":"127.0.0.1:40002","processId":4712,"layers":[4,8],"weightBytes":1900544,"state":"ready"}"""
            + """],"running":0,"waiting":0,"blocks":4096,"freeBlocks":4096}],"standby":["silo-3"]}""",
            await gateway.Client.GetStringAsync("/cluster", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task GetHealth_Ready_Answers200()
    {
        await using var gateway = await TestGateway.StartAsync();
        Assert.Equal(
            """{"status":"ready","model":"test-model"}""",
            await gateway.Client.GetStringAsync("/health", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task GetHealth_NotReady_Answers503WithTheReason()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Status = gateway.Grain.Status with { Ready = false, Reason = "silo-2 loads layers 4 to 8." };
        using var response = await gateway.Client.GetAsync("/health", TestContext.Current.CancellationToken);
        var error = await ApiError.ReadAsync(response);
        error.Is(503, null, "silo-2 loads layers 4 to 8.", "unavailable");
        Assert.Equal(1, error.RetryAfter);
    }

    [Fact]
    public async Task Head_HealthAndPage_AnswerWithoutABody()
    {
        await using var gateway = await TestGateway.StartAsync();
        foreach (var path in new[] { "/health", "/" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Head, path);
            using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(200, (int)response.StatusCode);
            Assert.Empty(await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        }
    }
}
