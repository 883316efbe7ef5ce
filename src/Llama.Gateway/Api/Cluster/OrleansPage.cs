using System.Runtime.CompilerServices;
using Llama.Gateway.Api.Errors;
using Llama.Grains.Hosting;
using Llama.ServiceDefaults;

namespace Llama.Gateway.Api.Cluster;

/// <summary><c>GET /orleans/</c>: Orleans' dashboard, of the incarnation that is there.</summary>
/// <param name="silo">This process in the cluster.</param>
internal sealed class OrleansPage(OrleansSilo silo)
{
    /// <summary>Where it is.</summary>
    public const string Path = "/orleans";

    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    private readonly ConditionalWeakTable<SiloIncarnation, RequestDelegate> pages = [];

    /// <summary>Shows it.</summary>
    /// <param name="context">The request.</param>
    public async Task GetAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        request.Path.StartsWithSegments(Path, out PathString before, out PathString rest);

        // What the page names is beside it.
        if (!rest.HasValue)
        {
            context.Response.Redirect($"{before.Value![1..]}/{request.QueryString}");
            return;
        }

        SiloIncarnation incarnation = silo.Incarnation ?? throw Unavailable("This gateway is not a member of its cluster at the moment.");
        (PathString wholeBase, PathString whole) = (request.PathBase, request.Path);
        (request.PathBase, request.Path) = (wholeBase + before, rest);
        try
        {
            await pages.GetValue(incarnation, static one => OrleansDashboard.Page(one.Services))(context);
        }
        catch (Exception e) when (e is TimeoutException or OrleansException || incarnation.Ended.IsCancellationRequested)
        {
            throw Unavailable($"The cluster did not tell: {e.Message}");
        }
        finally
        {
            (request.PathBase, request.Path) = (wholeBase, whole);
        }

        if (context.Response is { HasStarted: false, StatusCode: StatusCodes.Status404NotFound })
            throw new ApiException(StatusCodes.Status404NotFound, $"There is nothing at {request.Method} {request.Path}.", code: "unknown_url");
    }

    private static ApiException Unavailable(string reason) =>
        new(StatusCodes.Status503ServiceUnavailable, reason, code: "unavailable", retryAfter: TryAgain);
}
