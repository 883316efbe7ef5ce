using System.Text.Json;
using System.Text.Json.Serialization;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Writing;
using Llama.Grains.Gateway;

namespace Llama.Gateway.Api.Cluster;

/// <summary><c>GET /cluster</c>: what is where. <c>GET /health</c>: whether the model answers.</summary>
/// <param name="grain">Knows.</param>
internal sealed class ClusterEndpoints(IGatewayGrain grain)
{
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    /// <summary>Tells what is where.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task StatusAsync(HttpContext context, CancellationToken cancellationToken) => JsonAnswer.WriteAsync(
        context.Response,
        json => JsonSerializer.Serialize(json, grain.Status, ClusterJson.Default.ClusterStatus),
        cancellationToken);

    /// <summary>Answers 200 when the model does, else 503 with the reason.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task HealthAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var status = grain.Status;
        if (!status.Ready)
        {
            var reason = status.Reason ?? "No pipeline is ready.";
            throw new ApiException(StatusCodes.Status503ServiceUnavailable, reason, code: "unavailable", retryAfter: TryAgain);
        }

        return JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteString("status", "ready");
                json.WriteString("model", status.Model);
                json.WriteEndObject();
            },
            cancellationToken);
    }
}

/// <summary>How <see cref="ClusterStatus"/> is written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ClusterStatus))]
internal sealed partial class ClusterJson : JsonSerializerContext;
