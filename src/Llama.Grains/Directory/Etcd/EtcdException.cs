using System.Text.Json;

namespace Llama.Grains.Directory.Etcd;

/// <summary>etcd answered with an error.</summary>
/// <param name="code">What kind (gRPC status codes).</param>
/// <param name="message">etcd's own words.</param>
internal sealed class EtcdException(EtcdCode code, string message) : DirectoryException($"etcd says: {message}")
{
    private const int MaxMessage = 300;

    /// <summary>Words of errors whose code alone does not say that a new token would help.</summary>
    private static readonly string[] TokenFaults = ["user name is empty", "invalid auth token", "revision of auth store is old"];

    /// <summary>What kind of error.</summary>
    public EtcdCode Code => code;

    /// <summary>Whether another server of the same etcd may do better.</summary>
    public bool IsOfServer => code is EtcdCode.Unavailable or EtcdCode.DeadlineExceeded or EtcdCode.ResourceExhausted or EtcdCode.Unknown;

    /// <summary>Whether a new token is needed.</summary>
    public bool IsOfToken => code == EtcdCode.Unauthenticated || TokenFaults.Any(Message.Contains);

    /// <summary>
    /// Reads the body of an answer that is no success. etcd 3.4 writes <c>{"error": text, "message": text, "code": number}</c>, 3.5 the
    /// same in another order, 3.6 <c>{"code": number, "message": text, "details": […]}</c>; a proxy writes anything. In a stream all of
    /// them come as <c>{"error": {"message": text, …}}</c>, the number called <c>grpc_code</c> before 3.6 and <c>code</c> since.
    /// </summary>
    /// <param name="body">The body, or the error of a stream's message.</param>
    /// <param name="status">The HTTP status; it says what kind where the body does not.</param>
    public static EtcdException Read(string body, int status)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            JsonElement error = document.RootElement;
            if (error.ValueKind == JsonValueKind.Object)
            {
                if (error.TryGetProperty("error", out JsonElement inner) && inner.ValueKind == JsonValueKind.Object) error = inner;
                EtcdCode? code = Number(error, "code") ?? Number(error, "grpc_code");
                if ((Text(error, "message") ?? Text(error, "error")) is { } message)
                    return new EtcdException(code ?? OfStatus(status), Short(message));
            }
        }
        catch (JsonException)
        {
            // No JSON: the text itself is all there is.
        }

        return new EtcdException(OfStatus(status), $"{status} {Short(body)}");
    }

    private static EtcdCode? Number(JsonElement error, string name) =>
        error.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int code)
            ? (EtcdCode)code : null;

    private static string? Text(JsonElement error, string name) =>
        error.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static EtcdCode OfStatus(int status) => status switch
    {
        401 => EtcdCode.Unauthenticated,
        >= 500 => EtcdCode.Unavailable,
        _ => EtcdCode.Other,
    };

    private static string Short(string text)
    {
        string trimmed = text.Trim();
        return trimmed.Length > MaxMessage ? trimmed[..MaxMessage] + "…" : trimmed;
    }
}

/// <summary>Those of gRPC's status codes that make a difference here.</summary>
internal enum EtcdCode
{
    /// <summary>Any that makes none.</summary>
    Other = 0,

    /// <summary>The server itself does not know.</summary>
    Unknown = 2,

    /// <summary>It took too long, as without a leader.</summary>
    DeadlineExceeded = 4,

    /// <summary>No such lease.</summary>
    NotFound = 5,

    /// <summary>Too much for this server.</summary>
    ResourceExhausted = 8,

    /// <summary>The server cannot serve, as without a leader.</summary>
    Unavailable = 14,

    /// <summary>No token, or one that is over.</summary>
    Unauthenticated = 16,
}
