using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Google.Protobuf;
using Grpc.Core;
using Llama.Gateway.Api.Cluster;
using Llama.Grains.Gateway;
using Llama.V1;

namespace Llama.Gateway.Api.Rpc;

/// <summary><c>llama.v1.Cluster</c>: what <see cref="ClusterEndpoints"/> answer; the messages are made of their JSON.</summary>
/// <param name="guard">Runs calls.</param>
/// <param name="operators">Knows who may change the cluster.</param>
/// <param name="gateway">Knows the cluster.</param>
[BindServiceMethod(typeof(RpcBinding), nameof(RpcBinding.Cluster))]
internal sealed class ClusterService(RpcGuard guard, OperatorGuard operators, IGateway gateway) : V1.Cluster.ClusterBase
{
    /// <summary>A gateway that owns the pipelines may be newer, and tell more.</summary>
    private static readonly JsonParser Parser = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    /// <inheritdoc/>
    public override Task<V1.ClusterStatus> Status(StatusRequest request, ServerCallContext context) => guard.RunAsync(
        context, async (_, cancellationToken) => Convert<Grains.Gateway.ClusterStatus, V1.ClusterStatus>(
            await gateway.StatusAsync(cancellationToken), ClusterJson.Default.ClusterStatus));

    /// <inheritdoc/>
    public override Task<V1.ClusterPlan> Plan(PlanRequest request, ServerCallContext context) =>
        guard.RunAsync(context, (_, cancellationToken) => PlanAsync(cancellationToken));

    /// <inheritdoc/>
    public override Task<V1.ClusterPlan> Drain(DrainRequest request, ServerCallContext context) =>
        ChangeAsync(context, cancellationToken => gateway.DrainAsync(request.Silo, cancellationToken));

    /// <inheritdoc/>
    public override Task<V1.ClusterPlan> TakeBack(TakeBackRequest request, ServerCallContext context) =>
        ChangeAsync(context, cancellationToken => gateway.TakeBackAsync(request.Silo, cancellationToken));

    /// <inheritdoc/>
    public override Task<V1.ClusterPlan> Rebalance(RebalanceRequest request, ServerCallContext context) =>
        ChangeAsync(context, gateway.RebalanceAsync);

    private Task<V1.ClusterPlan> ChangeAsync(ServerCallContext context, Func<CancellationToken, Task> change) => guard.RunAsync(
        context, async (http, cancellationToken) =>
        {
            operators.Check(http);
            await ClusterEndpoints.MakeAsync(change(cancellationToken));
            return await PlanAsync(cancellationToken);
        });

    private async Task<V1.ClusterPlan> PlanAsync(CancellationToken cancellationToken) =>
        Convert<Grains.Gateway.ClusterPlan, V1.ClusterPlan>(await gateway.PlanAsync(cancellationToken), ClusterJson.Default.ClusterPlan);

    private static TMessage Convert<T, TMessage>(T value, JsonTypeInfo<T> type)
        where TMessage : IMessage, new() => Parser.Parse<TMessage>(JsonSerializer.Serialize(value, type));
}
