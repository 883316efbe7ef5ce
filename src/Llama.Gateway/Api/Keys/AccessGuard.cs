using Llama.Gateway.Api.Cluster;
using Llama.Gateway.Api.Errors;

namespace Llama.Gateway.Api.Keys;

/// <summary>
/// Who may use the API: holders of a key, where there is a file of keys; else everybody who reaches the port. Without keys a port that only this
/// machine reaches must not be reached by its web browser under a stranger's name (DNS rebinding).
/// </summary>
/// <param name="keys">The keys; null where none are needed.</param>
/// <param name="names">Names that requests may be for; null for all.</param>
internal sealed class AccessGuard(KeyRing? keys, GatewayNames? names)
{
    private const string Scheme = "Bearer ";
    private const string Header = "x-api-key";

    /// <summary>An endpoint that only those may call.</summary>
    public Func<HttpContext, CancellationToken, Task> Protect(Func<HttpContext, CancellationToken, Task> endpoint) =>
        (context, cancellationToken) =>
        {
            Check(context);
            return endpoint(context, cancellationToken);
        };

    /// <summary>An endpoint that everybody may call who knows where the gateway is.</summary>
    public Func<HttpContext, CancellationToken, Task> Show(Func<HttpContext, CancellationToken, Task> endpoint) =>
        (context, cancellationToken) =>
        {
            CheckHost(context);
            return endpoint(context, cancellationToken);
        };

    /// <summary>Refuses everybody else, and counts the request.</summary>
    /// <exception cref="ApiException">The request is not allowed, or one too many; the message says what is missing.</exception>
    public void Check(HttpContext context)
    {
        CheckHost(context);
        if (keys is null) return;
        KeyHolder? holder = KeyOf(context.Request) is { } key ? keys.Find(key) : null;
        if (holder is null)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            throw new ApiException(
                StatusCodes.Status401Unauthorized,
                "The key is missing or not good here; expected 'Authorization: Bearer' or 'x-api-key' with a key of the API.", code: "invalid_api_key");
        }

        holder.CountRequest();
        context.Features.Set(holder);
    }

    /// <summary>The key that a request shows, or null.</summary>
    /// <param name="request">The request.</param>
    public static string? KeyOf(HttpRequest request)
    {
        string authorization = request.Headers.Authorization.ToString();
        if (authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return authorization[Scheme.Length..].Trim();
        return request.Headers[Header].ToString() is { Length: > 0 } key ? key : null;
    }

    private void CheckHost(HttpContext context)
    {
        string host = context.Request.Host.Host;
        if (names is not null && host.Length > 0 && !names.Has(host))
        {
            throw new ApiException(
                StatusCodes.Status403Forbidden,
                $"The request is for the host '{host}'; expected this gateway's address, or a name that it was started with (--host, --advertise).",
                code: "forbidden");
        }
    }
}
