using Llama.Gateway.Api.Errors;
using Llama.Model.Chat;

namespace Llama.Gateway.Api.Responses;

/// <summary>A response that is kept.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Client">Who asked for it.</param>
/// <param name="Conversation">What was said up to it and in it, without the instructions.</param>
/// <param name="Json">The response as it was answered.</param>
internal sealed record KeptResponse(string Id, string Client, IReadOnlyList<ChatMessage> Conversation, ReadOnlyMemory<byte> Json)
{
    // About what a message takes as an object.
    private const int MessageBytes = 200;

    /// <summary>What it takes, bytes. Responses of one conversation share messages, which count in each of them.</summary>
    public long Bytes { get; } = Json.Length + Conversation.Sum(message =>
        MessageBytes + (2L * message.Content.Length) + message.More.Sum(more => more.Value.GetRawText().Length));
}

/// <summary>
/// The responses that this gateway keeps, in memory: bounded in number and bytes, in all and for each client; the oldest makes place. With keys of the API
/// a response is its key's alone.
/// </summary>
internal sealed class ResponseStore
{
    /// <summary>Responses in all.</summary>
    public const int Most = 1024;

    /// <summary>Responses of one client.</summary>
    public const int MostOfClient = 256;

    private const long MostBytes = 128 << 20;
    private const long MostBytesOfClient = 32 << 20;

    private readonly Lock gate = new();
    private readonly OrderedDictionary<string, KeptResponse> responses = [];

    /// <summary>Keeps a response, and forgets older ones where there is no place.</summary>
    /// <param name="response">The response.</param>
    public void Keep(KeptResponse response)
    {
        lock (gate)
        {
            // A request that comes again with its Idempotency-Key has the same answer.
            responses.Remove(response.Id);
            responses.Add(response.Id, response);
            MakePlace(response.Client, MostOfClient, MostBytesOfClient);
            MakePlace(client: null, Most, MostBytes);
        }
    }

    /// <summary>A response.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="client">Who asks; null for who may see all.</param>
    /// <param name="param">The request's field that names it, or null.</param>
    /// <exception cref="ApiException">It is not kept here.</exception>
    public KeptResponse Get(string id, string? client, string? param)
    {
        lock (gate)
        {
            if (Find(id, client) is { } found) return found;
        }

        throw NotKept(id, param);
    }

    /// <summary>Forgets a response.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="client">Who asks; null for who may see all.</param>
    /// <exception cref="ApiException">It is not kept here.</exception>
    public void Forget(string id, string? client)
    {
        lock (gate)
        {
            if (Find(id, client) is null || !responses.Remove(id)) throw NotKept(id, param: null);
        }
    }

    private KeptResponse? Find(string id, string? client) =>
        responses.TryGetValue(id, out var found) && (client is null || found.Client == client) ? found : null;

    private void MakePlace(string? client, int most, long mostBytes)
    {
        KeptResponse[] some = [.. responses.Values.Where(response => client is null || response.Client == client)];
        var (count, bytes) = (some.Length, some.Sum(response => response.Bytes));
        foreach (var oldest in some)
        {
            if (count <= most && bytes <= mostBytes) return;
            responses.Remove(oldest.Id);
            (count, bytes) = (count - 1, bytes - oldest.Bytes);
        }
    }

    private static ApiException NotKept(string id, string? param) => new(
        param is null ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest,
        $"The response '{id}' is not kept here: a gateway keeps the last {MostOfClient} of a client, {Most} in all and {MostBytes >> 20} MiB, in memory, and none with store = false.",
        param, param is null ? "response_not_found" : "previous_response_not_found");
}
