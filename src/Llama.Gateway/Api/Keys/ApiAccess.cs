namespace Llama.Gateway.Api.Keys;

/// <summary>Who may use the API, and from where.</summary>
public sealed record ApiAccess
{
    /// <summary>The file of keys; null where none are needed.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Whether only this machine reaches the port.</summary>
    public bool IsLoopback { get; init; }

    /// <summary>Web pages that may call the API, by their origins; <c>*</c> is all.</summary>
    public IReadOnlyList<string> Origins { get; init; } = [];

    /// <summary>Whether keys share no cached prefixes.</summary>
    public bool CachePerKey { get; init; }
}
