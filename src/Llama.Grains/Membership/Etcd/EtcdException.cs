using System.Text.Json;

namespace Llama.Grains.Membership.Etcd;

/// <summary>etcd answered with an error.</summary>
/// <param name="code">What kind (gRPC status codes).</param>
/// <param name="message">etcd's own words.</param>
internal sealed class EtcdException(int code, string message) : Exception($"etcd says: {message}")
{
    private const int Unauthenticated = 16;
    private const int MaxMessage = 300;

    /// <summary>Words of errors whose code alone does not say that a new token would help.</summary>
    private static readonly string[] TokenFaults = ["user name is empty", "invalid auth token", "revision of auth store is old"];

    /// <summary>Whether a new token is needed.</summary>
    public bool IsOfToken => code == Unauthenticated || TokenFaults.Any(Message.Contains);

    /// <summary>
    /// Reads the body of an answer that is no success. etcd 3.4 writes <c>{"error": text, "message": text, "code": number}</c>, 3.5 the
    /// same in another order, 3.6 <c>{"code": number, "message": text, "details": […]}</c>; a proxy writes anything.
    /// </summary>
    /// <param name="body">The body.</param>
    /// <param name="status">The HTTP status.</param>
    public static EtcdException Read(string body, int status)
    {
        int code = status == 401 ? Unauthenticated : 0;
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            JsonElement error = document.RootElement;
            if (error.ValueKind == JsonValueKind.Object && (Text(error, "message") ?? Text(error, "error")) is { } message)
                return new EtcdException(error.TryGetProperty("code", out JsonElement told) && told.TryGetInt32(out int number) ? number : code, Short(message));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // No JSON, or none of etcd's: the text itself is all there is.
        }

        return new EtcdException(code, $"{status} {Short(body)}");
    }

    private static string? Text(JsonElement error, string name) =>
        error.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string Short(string text)
    {
        string trimmed = text.Trim();
        return trimmed.Length > MaxMessage ? trimmed[..MaxMessage] + "…" : trimmed;
    }
}
