using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Gateway;

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
            + """],"running":0,"waiting":0,"blocks":4096,"freeBlocks":4096,"sampledTokens":12345}],"standby":["silo-3"],"drained":[]}""",
            await gateway.Client.GetStringAsync("/cluster", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task GetClusterPlan_Plan_IsCamelCaseJson()
    {
        await using var gateway = await TestGateway.StartAsync();
        const string expected = """
            {"epoch":1,"model":"test-model","layers":8,"neededBytes":4000000,"pipelines":[{"replica":0,
            "cutBy":"planner","speedFrom":"start","kvBlocks":12,"stages":[{"silo":"silo-1","layers":[0,8],"threads":2,
            "measuredRates":{"bytesPerSecond":9000000000,"operationsPerSecond":50000000000},
            "plannedRates":{"bytesPerSecond":8000000000,"operationsPerSecond":50000000000},"memoryBytes":9000000,
            "weightBytes":3000000,"kvBytes":500000,"logBytes":0,"activationBytes":1000,"predictedDecodeSeconds":0.25,
            "predictedPromptTokenSeconds":0.125,"measuredLayerSeconds":0.0625}],"slowestStage":"silo-1","predictedDecodeSeconds":0.25,"idealDecodeSeconds":0.25,
            "measuredDecodeSeconds":0.5}],"standby":[{"silo":"silo-3","threads":1,
            "measuredRates":{"bytesPerSecond":9000000000,"operationsPerSecond":50000000000},"memoryBytes":7,"logMemoryBytes":3,
            "profile":"cpu"}],"drained":[],"refused":[]}
            """;
        Assert.Equal(
            expected.ReplaceLineEndings(string.Empty),
            await gateway.Client.GetStringAsync("/cluster/plan", TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("POST", "/cluster/drain/silo-1", "drain silo-1")]
    [InlineData("DELETE", "/cluster/drain/silo%201", "take back silo 1")]
    [InlineData("POST", "/cluster/rebalance", "rebalance")]
    public async Task SendChange_Made_AnswersWithThePlan(string method, string path, string change)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal([change], gateway.Grain.Changes);
        Assert.Equal(
            await gateway.Client.GetStringAsync("/cluster/plan", TestContext.Current.CancellationToken),
            await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("NotFound", 404, "silo", "silo_not_found")]
    [InlineData("Refused", 409, null, "refused")]
    [InlineData("Unavailable", 503, null, "unavailable")]
    public async Task SendChange_NotMade_AnswersWithTheReason(string error, int status, string? param, string code)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.ChangeFault = new ClusterChangeException(Enum.Parse<ClusterChangeError>(error), "It does not fit.");
        var answer = await gateway.PostErrorAsync("/cluster/drain/silo-1", "");
        answer.Is(status, param, "It does not fit.", code);
    }

    [Theory]
    [InlineData("/health")]
    [InlineData("/v1/health")]
    [InlineData("/readyz")]
    public async Task GetHealth_ReadyOrNot_Answers200Or503WithTheReason(string path)
    {
        await using var gateway = await TestGateway.StartAsync();
        Assert.Equal(
            """{"status":"ready","model":"test-model"}""",
            await gateway.Client.GetStringAsync(path, TestContext.Current.CancellationToken));
        gateway.Grain.Status = gateway.Grain.Status with { Ready = false, Reason = "silo-2 loads layers 4 to 8." };
        using var response = await gateway.Client.GetAsync(path, TestContext.Current.CancellationToken);
        var error = await ApiError.ReadAsync(response);
        error.Is(503, null, "silo-2 loads layers 4 to 8.", "unavailable");
        Assert.Equal(1, error.RetryAfter);
    }

    [Fact]
    public async Task GetLive_NotReady_Answers200()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Status = gateway.Grain.Status with { Ready = false };
        Assert.Equal("""{"status":"live"}""", await gateway.Client.GetStringAsync("/livez", TestContext.Current.CancellationToken));
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
