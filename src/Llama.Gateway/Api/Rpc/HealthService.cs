using Grpc.Core;
using Grpc.Health.V1;
using Llama.Gateway.Api.Errors;
using Llama.Grains.Gateway;

namespace Llama.Gateway.Api.Rpc;

/// <summary><c>grpc.health.v1.Health</c>: whether the model answers, for the server as a whole (an empty name) and for each service.</summary>
/// <param name="guard">Runs calls.</param>
/// <param name="gateway">Knows.</param>
/// <param name="time">Says when to look again.</param>
[BindServiceMethod(typeof(RpcBinding), nameof(RpcBinding.Health))]
internal sealed class HealthService(RpcGuard guard, IGateway gateway, TimeProvider time) : Health.HealthBase
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(0.5);
    private static readonly string[] Names = ["", V1.Inference.Descriptor.FullName, V1.Cluster.Descriptor.FullName];

    /// <summary>Whether the model answers.</summary>
    private HealthCheckResponse.Types.ServingStatus Serving =>
        gateway.Summary.Ready ? HealthCheckResponse.Types.ServingStatus.Serving : HealthCheckResponse.Types.ServingStatus.NotServing;

    /// <inheritdoc/>
    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) => guard.RunAsync(
        context, (_, _) => Names.Contains(request.Service)
            ? Task.FromResult(new HealthCheckResponse { Status = Serving })
            : throw new ApiException(
                StatusCodes.Status404NotFound, $"There is no service '{request.Service}'; expected {string.Join(", ", Names[1..])} or none."));

    /// <inheritdoc/>
    public override Task Watch(
        HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context) => guard.RunAsync(
        context, async (_, cancellationToken) =>
        {
            // As the protocol has it, one may wait for a service that is not there yet.
            bool isKnown = Names.Contains(request.Service);
            HealthCheckResponse.Types.ServingStatus? told = null;
            using var timer = new PeriodicTimer(Look, time);
            do
            {
                HealthCheckResponse.Types.ServingStatus now = isKnown ? Serving : HealthCheckResponse.Types.ServingStatus.ServiceUnknown;
                if (now != told) await responseStream.WriteAsync(new HealthCheckResponse { Status = now }, cancellationToken);
                told = now;
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        });
}
