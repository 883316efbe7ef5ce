using System.Net;
using System.Security.Cryptography;
using System.Text;
using Llama.Gateway.Api.Errors;
using Llama.Grains.Settings;

namespace Llama.Gateway.Api.Cluster;

/// <summary>
/// Who may change the cluster, and see all of it: a caller that shows the cluster's key, or, where there is none, somebody on this machine; and never a web page,
/// neither a stranger's (by its <c>Origin</c>) nor one whose name was made to mean this machine (DNS rebinding, by the <c>Host</c>).
/// </summary>
/// <param name="key">The cluster key; empty for none.</param>
/// <param name="names">The gateway's own names.</param>
internal sealed class OperatorGuard(ReadOnlyMemory<byte> key, GatewayNames names)
{
    private const string Scheme = "Bearer ";
    private const string BrowserScheme = "Basic ";

    /// <summary>An endpoint that only those may call.</summary>
    public Func<HttpContext, CancellationToken, Task> Protect(Func<HttpContext, CancellationToken, Task> endpoint) =>
        (context, cancellationToken) =>
        {
            Check(context);
            return endpoint(context, cancellationToken);
        };

    /// <summary>An endpoint that changes nothing and that only those may call. A browser asks its user for the key, as a password (RFC 7617).</summary>
    public Func<HttpContext, CancellationToken, Task> Show(Func<HttpContext, CancellationToken, Task> endpoint) =>
        (context, cancellationToken) =>
        {
            Check(context, browser: true);
            return endpoint(context, cancellationToken);
        };

    /// <summary>Refuses everybody else.</summary>
    /// <param name="context">The request.</param>
    /// <param name="browser">
    /// Whether the key may be shown as browsers show a password. They do so by themselves from then on, so what changes something takes no such.
    /// </param>
    /// <exception cref="ApiException">The request is not allowed; the message says what is missing.</exception>
    public void Check(HttpContext context, bool browser = false)
    {
        HostString host = context.Request.Host;
        if (!names.Has(host.Host))
        {
            throw Forbidden(
                $"The request is for the host '{host.Host}'; expected this gateway's address, or a name that it was started with"
                + " (--host, --advertise).");
        }

        string own = $"{context.Request.Scheme}://{host}";
        foreach (string? origin in context.Request.Headers.Origin)
        {
            if (!string.Equals(origin, own, StringComparison.OrdinalIgnoreCase))
                throw Forbidden($"The request comes from a web page of '{origin}'; only this gateway's own may ask for this.");
        }

        if (key.IsEmpty) CheckNearness(context);
        else CheckKey(context, browser);
    }

    private static void CheckNearness(HttpContext context)
    {
        if (context.Connection.RemoteIpAddress is { } address && !IPAddress.IsLoopback(address))
            throw Forbidden("Without a cluster key this can be asked for from this machine only.");
    }

    private void CheckKey(HttpContext context, bool browser)
    {
        string authorization = context.Request.Headers.Authorization.ToString();
        string? shown = authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? authorization[Scheme.Length..].Trim()
            : browser ? PasswordOf(authorization) : null;
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(shown ?? string.Empty));
        if (CryptographicOperations.FixedTimeEquals(hash, SHA256.HashData(key.Span))) return;
        context.Response.Headers.WWWAuthenticate = browser ? "Basic realm=\"The cluster's key is the password\", charset=\"UTF-8\"" : "Bearer";
        throw new ApiException(
            StatusCodes.Status401Unauthorized,
            $"{(shown is null ? "No key was given" : "The key is not the cluster's")}; expected 'Authorization: Bearer' with the cluster's key"
            + $" (--cluster-key-file, {ClusterKey.Variable}){(browser ? ", or the key as a password" : "")}.",
            code: "invalid_api_key");
    }

    private static string? PasswordOf(string authorization)
    {
        if (!authorization.StartsWith(BrowserScheme, StringComparison.OrdinalIgnoreCase)) return null;
        byte[] login = new byte[authorization.Length];
        bool isText = Convert.TryFromBase64String(authorization[BrowserScheme.Length..].Trim(), login, out int length);
        return isText && Encoding.UTF8.GetString(login, 0, length).Split(':', 2) is [_, var password] ? password : null;
    }

    private static ApiException Forbidden(string message) => new(StatusCodes.Status403Forbidden, message, code: "forbidden");
}

/// <summary>Names that a gateway can be asked by: addresses, which no DNS server can make up, and those that it was told.</summary>
/// <param name="told">Host names, each perhaps with a port.</param>
internal sealed class GatewayNames(params IEnumerable<string?> told)
{
    private readonly HashSet<string> names = new(
        told.OfType<string>().Select(name => HostPort.Parse(name).Host).Append("localhost").Append(Dns.GetHostName()),
        StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether the gateway goes by this name.</summary>
    public bool Has(string host) => names.Contains(host) || IPAddress.TryParse(host.Trim('[', ']'), out _);
}

/// <summary>Marks the routes that change the cluster.</summary>
internal sealed class ChangesCluster;
