using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Writing;
using Llama.Grains.Gateway;

namespace Llama.Gateway.Api.Cluster;

/// <summary>
/// <c>GET /cluster</c>: what is where, and <c>GET /cluster/plan</c>: why. <c>GET /health</c>, with other names: whether the model answers;
/// <c>GET /livez</c>: whether the process does. The others change the cluster and answer with the plan when they have.
/// </summary>
/// <param name="gateway">Knows.</param>
/// <param name="model">The model that is served.</param>
internal sealed class ClusterEndpoints(IGateway gateway, ServedModel model)
{
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    /// <summary>Tells what is where.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task StatusAsync(HttpContext context, CancellationToken cancellationToken)
    {
        ClusterStatus status = await gateway.StatusAsync(cancellationToken);
        await JsonAnswer.WriteAsync(
            context.Response, json => JsonSerializer.Serialize(json, status, ClusterJson.Default.ClusterStatus), cancellationToken);
    }

    /// <summary>Tells what the plan was made from.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task PlanAsync(HttpContext context, CancellationToken cancellationToken)
    {
        ClusterPlan plan = await gateway.PlanAsync(cancellationToken);
        await JsonAnswer.WriteAsync(
            context.Response, json => JsonSerializer.Serialize(json, plan, ClusterJson.Default.ClusterPlan), cancellationToken);
    }

    /// <summary>Empties the silo that the route names.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away; the silo is emptied all the same.</param>
    public Task DrainAsync(HttpContext context, CancellationToken cancellationToken) =>
        ChangeAsync(context, gateway.DrainAsync(Silo(context), cancellationToken), cancellationToken);

    /// <summary>Lets the silo that the route names have layers again.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task TakeBackAsync(HttpContext context, CancellationToken cancellationToken) =>
        ChangeAsync(context, gateway.TakeBackAsync(Silo(context), cancellationToken), cancellationToken);

    /// <summary>Cuts the layers anew for the silos that are there.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away; the layers move all the same.</param>
    public Task RebalanceAsync(HttpContext context, CancellationToken cancellationToken) =>
        ChangeAsync(context, gateway.RebalanceAsync(cancellationToken), cancellationToken);

    /// <summary>Answers 200, whatever the cluster does: a gateway that waits for its silos must not be started anew for it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public static Task LiveAsync(HttpContext context, CancellationToken cancellationToken) => JsonAnswer.WriteAsync(
        context.Response,
        json =>
        {
            json.WriteStartObject();
            json.WriteString("status", "live");
            json.WriteEndObject();
        },
        cancellationToken);

    /// <summary>Answers 200 when the model does, else 503 with the reason.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task HealthAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var status = gateway.Summary;
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
                json.WriteString("model", model.Name);
                json.WriteEndObject();
            },
            cancellationToken);
    }

    private static string Silo(HttpContext context) => (string)context.GetRouteValue("silo")!;

    private async Task ChangeAsync(HttpContext context, Task change, CancellationToken cancellationToken)
    {
        await MakeAsync(change);
        await PlanAsync(context, cancellationToken);
    }

    /// <summary>Waits for a change of the cluster.</summary>
    /// <param name="change">The change.</param>
    /// <exception cref="ApiException">It cannot be made.</exception>
    public static async Task MakeAsync(Task change)
    {
        try
        {
            await change;
        }
        catch (ClusterChangeException e)
        {
            throw e.Error switch
            {
                ClusterChangeError.NotFound => new ApiException(StatusCodes.Status404NotFound, e.Message, "silo", "silo_not_found"),
                ClusterChangeError.Refused => new ApiException(StatusCodes.Status409Conflict, e.Message, code: "refused"),
                _ => new ApiException(StatusCodes.Status503ServiceUnavailable, e.Message, code: "unavailable", retryAfter: TryAgain),
            };
        }
    }
}
