using Llama.Grains.Directory;
using Llama.Grains.Links;
using Microsoft.AspNetCore.Http.Features;

namespace Llama.Gateway;

/// <summary>Where silos join: turns an HTTP connection into a link.</summary>
internal static class JoinEndpoint
{
    /// <summary>
    /// Serves a silo's membership until it ends. A request that is no upgrade to a link is refused, and so is every one where silos are to
    /// join another directory than the gateway's own.
    /// </summary>
    public static async Task HandleAsync(
        HttpContext context, LinkIdentity self, IDirectory directory, IHostApplicationLifetime lifetime, ILoggerFactory logging)
    {
        IHttpUpgradeFeature? upgrade = context.Features.Get<IHttpUpgradeFeature>();
        if (upgrade is not { IsUpgradableRequest: true } || context.Request.Headers.Upgrade != GatewayConnection.Protocol)
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            context.Response.Headers.Upgrade = GatewayConnection.Protocol;
            return;
        }

        if (directory is not EmbeddedDirectory)
        {
            context.Response.StatusCode = StatusCodes.Status409Conflict;
            context.Features.Get<IHttpResponseFeature>()!.ReasonPhrase = "Silos of this gateway need its --directory";
            return;
        }

        await using Stream stream = await upgrade.UpgradeAsync();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        await DirectoryLinks.ServeAsync(stream, self, directory, logging.CreateLogger("Llama.Gateway"), ended.Token);
    }
}
