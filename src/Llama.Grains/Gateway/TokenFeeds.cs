using System.Collections.Concurrent;

namespace Llama.Grains.Gateway;

/// <summary>The attachments of other gateway processes to this one, by name; they outlive the grain that they came through.</summary>
/// <param name="gateway">Generates.</param>
/// <param name="time">Measures heartbeats.</param>
public sealed class TokenFeeds(LocalGateway gateway, TimeProvider time)
{
    private readonly ConcurrentDictionary<Guid, TokenFeed> feeds = new();

    /// <summary>Opens an attachment.</summary>
    /// <exception cref="InvalidOperationException">Its name has been used before.</exception>
    internal TokenFeed Open(Guid name)
    {
        var feed = new TokenFeed(gateway, time);
        return feeds.TryAdd(name, feed) ? feed : throw new InvalidOperationException($"Attachment {name} is open already.");
    }

    /// <summary>An attachment; null when it is not open.</summary>
    internal TokenFeed? Find(Guid name) => feeds.GetValueOrDefault(name);

    /// <summary>Ends an attachment and its requests.</summary>
    internal async Task CloseAsync(Guid name)
    {
        if (feeds.TryRemove(name, out TokenFeed? feed)) await feed.DisposeAsync().ConfigureAwait(false);
    }
}
