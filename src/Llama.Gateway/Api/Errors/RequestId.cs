namespace Llama.Gateway.Api.Errors;

/// <summary>
/// The <c>x-request-id</c> of every answer, by which clients and logs speak of the same request: the client's own, or else one that no other
/// request has.
/// </summary>
internal static class RequestId
{
    private const string Header = "x-request-id";
    private const int MaxLength = 128;

    /// <summary>Gives a request its id, in its headers as well, so that another gateway that answers it has the same one.</summary>
    /// <param name="context">The request; nothing was answered yet.</param>
    public static void Set(HttpContext context)
    {
        var id = context.Request.Headers[Header] is [{ } own] && IsSane(own) ? own : $"req_{Guid.NewGuid():N}";
        context.TraceIdentifier = id;
        context.Request.Headers[Header] = id;
        context.Response.Headers[Header] = id;
    }

    private static bool IsSane(string id) => id.Length is > 0 and <= MaxLength && id.All(character => character is > ' ' and < '\x7f');
}
