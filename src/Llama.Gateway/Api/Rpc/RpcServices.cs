using System.IO.Compression;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Rpc;

/// <summary>gRPC beside HTTP: the services of <c>protos/</c>, health and reflection.</summary>
internal static class RpcServices
{
    /// <summary>Registers the services.</summary>
    /// <param name="services">Where to.</param>
    public static void AddLlamaRpc(this IServiceCollection services)
    {
        services.AddGrpc(options =>
        {
            options.MaxReceiveMessageSize = RequestBody.MostBytes;
            options.ResponseCompressionAlgorithm = "gzip";
            options.ResponseCompressionLevel = CompressionLevel.Fastest;
        });
        services.AddGrpcReflection();
        services.AddSingleton<RpcGuard>();
        services.AddSingleton<InferenceService>();
        services.AddSingleton<ClusterService>();
        services.AddSingleton<HealthService>();
    }

    /// <summary>Maps the services.</summary>
    /// <param name="routes">Where to.</param>
    public static void MapLlamaRpc(this IEndpointRouteBuilder routes)
    {
        routes.MapGrpcService<InferenceService>();
        routes.MapGrpcService<ClusterService>();
        routes.MapGrpcService<HealthService>();
        routes.MapGrpcReflectionService();
    }
}
