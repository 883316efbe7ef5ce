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

    private readonly Lock gate = new();
    private (SiloIncarnation Of, RequestDelegate Show)? last;

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
            await PageOf(incarnation)(context);
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

    /// <summary>The page resolves from the services of an incarnation; only one request at a time may set that up.</summary>
    private RequestDelegate PageOf(SiloIncarnation incarnation)
    {
        lock (gate)
        {
            if (last is { } page && ReferenceEquals(page.Of, incarnation)) return page.Show;
            RequestDelegate show = OrleansDashboard.Page(incarnation.Services);
            last = (incarnation, show);
            return show;
        }
    }

    private static ApiException Unavailable(string reason) =>
        new(StatusCodes.Status503ServiceUnavailable, reason, code: "unavailable", retryAfter: TryAgain);
}
