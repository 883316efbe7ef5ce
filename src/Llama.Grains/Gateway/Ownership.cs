using System.Text.Json;
using Llama.Grains.Directory;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>A gateway, as the others know it.</summary>
/// <param name="Instance">Its process, told from every other, also of the same gateway at another time.</param>
/// <param name="Url">Where it serves HTTP; null while it does not.</param>
public sealed record GatewayRecord(string Instance, string? Url);

/// <summary>
/// Which gateway owns the pipelines: the one whose entry the directory has. All of them try to write it; whose lease ends is succeeded by
/// another. A gateway that has lost the directory keeps what it owned then: nobody can take it away unseen by the stages, which obey the
/// newest epoch.
/// </summary>
public sealed class Ownership : IAsyncDisposable
{
    private const string Key = "owner";

    private readonly string instance = $"{Guid.NewGuid()}";
    private readonly Presence presence;

    /// <summary>Starts to try.</summary>
    /// <param name="directory">Where the gateways agree.</param>
    /// <param name="url">Where this gateway serves HTTP at the moment, as the others reach it.</param>
    /// <param name="logger">Told who owns the pipelines.</param>
    public Ownership(IDirectory directory, Func<string?> url, ILogger logger) => presence = new Presence(
        directory, Key, () => JsonSerializer.Serialize(new GatewayRecord(instance, url()), JsonSerializerOptions.Web),
        new PresenceWords(
            "This gateway owns the pipelines",
            other => $"This gateway stands by and forwards requests: the one at {Parse(other)?.Url} owns the pipelines",
            LogLevel.Information),
        logger);

    /// <summary>The owner as a directory knows it; null while there is none.</summary>
    public static GatewayRecord? Of(DirectoryView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        return Parse(view.Entries.GetValueOrDefault(Key));
    }

    /// <summary>Whether this gateway is the one.</summary>
    public bool IsMine(GatewayRecord owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return owner.Instance == instance;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => presence.DisposeAsync();

    private static GatewayRecord? Parse(DirectoryEntry? entry)
    {
        try
        {
            return entry is null ? null : JsonSerializer.Deserialize<GatewayRecord>(entry.Value, JsonSerializerOptions.Web);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
