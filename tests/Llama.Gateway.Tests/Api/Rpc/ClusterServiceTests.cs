extern alias client;

using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Gateway;
using client::Llama.V1;
using Proto = client::Llama.V1;

namespace Llama.Gateway.Tests.Api.Rpc;

/// <summary>The services beside inference: cluster, health, reflection.</summary>
public sealed class ClusterServiceTests
{
    [Fact]
    public async Task StatusAndPlan_AllMembers_AreThoseOfTheJson()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var token = TestContext.Current.CancellationToken;

        // The parser takes no member that the message has not got.
        var status = Proto.ClusterStatus.Parser.ParseJson(await gateway.Client.GetStringAsync("/cluster", token));
        Assert.Equal(status, client.Cluster.Status(new StatusRequest(), cancellationToken: token));
        var plan = Proto.ClusterPlan.Parser.ParseJson(await gateway.Client.GetStringAsync("/cluster/plan", token));
        Assert.Equal(plan, client.Cluster.Plan(new PlanRequest(), cancellationToken: token));
        Assert.Equal(0.0625, plan.Pipelines[0].Stages[0].MeasuredLayerSeconds);
    }

    [Fact]
    public void Messages_EveryMemberOfTheJson_HasAField()
    {
        Compare(ClusterJson.Default.ClusterStatus.Properties, Proto.ClusterStatus.Descriptor);
        Compare(ClusterJson.Default.ClusterPlan.Properties, Proto.ClusterPlan.Descriptor);
        Compare(ClusterJson.Default.PlannedPipeline.Properties, Proto.PlannedPipeline.Descriptor);
        Compare(ClusterJson.Default.ExplainedStage.Properties, Proto.ExplainedStage.Descriptor);
        Compare(ClusterJson.Default.PipelineStatus.Properties, Proto.PipelineStatus.Descriptor);

        static void Compare(IList<System.Text.Json.Serialization.Metadata.JsonPropertyInfo> json, Google.Protobuf.Reflection.MessageDescriptor message) =>
            Assert.Equal(json.Select(member => member.Name).Order(), message.Fields.InFieldNumberOrder().Select(field => field.JsonName).Order());
    }

    [Fact]
    public async Task Changes_WithTheKey_AreMadeAndWithoutRefused()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), key: "the key of this cluster");
        using var client = new RpcClient(gateway);
        var token = TestContext.Current.CancellationToken;
        var refusal = Assert.Throws<RpcException>(() => client.Cluster.Drain(new DrainRequest { Silo = "silo-1" }, cancellationToken: token));
        Assert.Equal(StatusCode.Unauthenticated, refusal.StatusCode);
        Assert.Empty(gateway.Grain.Changes);
        var key = new Metadata { { "authorization", "Bearer the key of this cluster" } };
        Assert.Equal(1ul, client.Cluster.Drain(new DrainRequest { Silo = "silo-1" }, key, cancellationToken: token).Epoch);
        client.Cluster.TakeBack(new TakeBackRequest { Silo = "silo-1" }, key, cancellationToken: token);
        client.Cluster.Rebalance(new RebalanceRequest(), key, cancellationToken: token);
        Assert.Equal(["drain silo-1", "take back silo-1", "rebalance"], gateway.Grain.Changes);
        gateway.Grain.ChangeFault = new ClusterChangeException(ClusterChangeError.NotFound, "There is no such silo.");
        var missing = Assert.Throws<RpcException>(() => client.Cluster.Drain(new DrainRequest { Silo = "x" }, key, cancellationToken: token));
        Assert.Equal((StatusCode.NotFound, "silo"), (missing.StatusCode, missing.Trailers.GetValue("x-error-param")));
    }

    [Fact]
    public async Task Health_Watch_TellsEachChange()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var token = TestContext.Current.CancellationToken;
        var health = new Health.HealthClient(client.Channel);
        Assert.Equal(
            HealthCheckResponse.Types.ServingStatus.Serving,
            health.Check(new HealthCheckRequest { Service = "llama.v1.Inference" }, cancellationToken: token).Status);
        Assert.Equal(
            StatusCode.NotFound,
            Assert.Throws<RpcException>(() => health.Check(new HealthCheckRequest { Service = "x" }, cancellationToken: token)).StatusCode);
        using var watch = health.Watch(new HealthCheckRequest(), deadline: DateTime.UtcNow.AddSeconds(20), cancellationToken: token);
        Assert.True(await watch.ResponseStream.MoveNext(token));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, watch.ResponseStream.Current.Status);
        gateway.Grain.Status = gateway.Grain.Status with { Ready = false };
        Assert.True(await watch.ResponseStream.MoveNext(token));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, watch.ResponseStream.Current.Status);
    }

    [Fact]
    public async Task Reflection_Services_AreListed()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        using var call = new ServerReflection.ServerReflectionClient(client.Channel).ServerReflectionInfo(
            deadline: DateTime.UtcNow.AddSeconds(20), cancellationToken: TestContext.Current.CancellationToken);
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" }, TestContext.Current.CancellationToken);
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        var names = call.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name).ToList();
        Assert.Subset(names.ToHashSet(), new HashSet<string> { "llama.v1.Inference", "llama.v1.Cluster", "grpc.health.v1.Health" });
    }

    [Fact]
    public async Task Call_Gzip_IsTakenAndAnsweredWith()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var encodings = new Encodings();
        using var channel = GrpcChannel.ForAddress(gateway.RpcUrl, new GrpcChannelOptions { HttpHandler = encodings });
        var compressed = new Metadata { { "grpc-internal-encoding-request", "gzip" } };
        var answer = new Inference.InferenceClient(channel).Tokenize(
            new TokenizeRequest { Prompt = new string('a', 60) }, compressed, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(61, answer.Tokens.Count);
        Assert.Equal("gzip gzip", encodings.Seen);
    }

    private sealed class Encodings() : DelegatingHandler(new SocketsHttpHandler())
    {
        public string? Seen { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken);
            Seen = $"{request.Headers.GetValues("grpc-encoding").Single()} {response.Headers.GetValues("grpc-encoding").Single()}";
            return response;
        }
    }
}
