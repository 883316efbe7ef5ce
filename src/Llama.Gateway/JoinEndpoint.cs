using Llama.Grains.Directory;
using Llama.Grains.Links;
using Microsoft.AspNetCore.Http.Features;

namespace Llama.Gateway;

/// <summary>Where silos join: turns an HTTP connection into a link.</summary>
internal static partial class JoinEndpoint
{
    /// <summary>
    /// Serves a silo's membership until it ends. A request that is no upgrade to a link is refused, and so is every one where silos are to
    /// join another directory than the gateway's own; with TLS, also one without a certificate, which a client of the API need not have. A
    /// certificate that was shown is good, or there would be no connection.
    /// </summary>
    public static async Task HandleAsync(
        HttpContext context, LinkIdentity self, IDirectory directory, IHostApplicationLifetime lifetime, ILoggerFactory logging)
    {
        ILogger logger = logging.CreateLogger("Llama.Gateway");
        if (self.Certificate is not null && context.Connection.ClientCertificate is null)
        {
            Log.NoCertificate(logger, context.Connection.RemoteIpAddress);
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            context.Features.Get<IHttpResponseFeature>()!.ReasonPhrase = "Silos must show a certificate";
            return;
        }

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
        await DirectoryLinks.ServeAsync(stream, self, directory, logger, ended.Token);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A silo was refused: {Address} shows no certificate; expected one of the authority in --tls")]
        public static partial void NoCertificate(ILogger logger, System.Net.IPAddress? address);
    }
}
