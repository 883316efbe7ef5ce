using Microsoft.Extensions.Logging;

namespace Llama.Grains.Directory;

/// <summary>
/// One entry that this process keeps in a directory, under a lease of its own, from a thread of its own. A lost lease means a new lease and
/// the entry again. While another's entry is there, it is tried again and again: whoever keeps a key that several want is their leader.
/// </summary>
public sealed partial class Presence : IAsyncDisposable
{
    /// <summary>Time between two renewals, and between two attempts.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly IDirectory directory;
    private readonly string key;
    private readonly Func<string> value;
    private readonly PresenceWords words;
    private readonly ILogger logger;
    private readonly Beat beat;
    private ILease? lease;
    private DirectoryEntry? own;
    private long lastRevision;
    private string? lastReason;
    private bool away;

    /// <summary>Starts to keep an entry.</summary>
    /// <param name="directory">Where.</param>
    /// <param name="key">Its key.</param>
    /// <param name="value">Its text at the moment; must not throw.</param>
    /// <param name="words">What is said of it.</param>
    /// <param name="logger">Told when the entry is there and when it is not.</param>
    public Presence(IDirectory directory, string key, Func<string> value, PresenceWords words, ILogger logger)
    {
        this.directory = directory;
        this.key = key;
        this.value = value;
        this.words = words;
        this.logger = logger;
        beat = new Beat($"presence of {key}", Interval, Keep);
    }

    /// <summary>Ends the entry. When the directory is away, the lease ends it later.</summary>
    public async ValueTask DisposeAsync()
    {
        beat.Dispose();
        await beat.Ended.ConfigureAwait(false);
        if (!away) lease?.Dispose();
    }

    private bool Keep()
    {
        try
        {
            if (lease is not null && !lease.Renew())
            {
                Log.LeaseLost(logger, key);
                (lease, own) = (null, null);
            }

            lease ??= directory.Grant();
            if (away) (away, lastReason) = (false, null);
            Put(lease, value());
        }
#pragma warning disable CA1031 // Without this thread the process would vanish from the directory: whatever went wrong, it goes on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            away = true;
            if (IsNews(e.Message)) Log.Away(logger, key, e.Message);
        }

        return true;
    }

    private void Put(ILease mine, string text)
    {
        if (own?.Value == text) return;

        // After an outage the view may know of an entry that the directory has forgotten: who had the key before, has it still.
        if (own is null && directory.View.Entries.TryGetValue(key, out DirectoryEntry? other)
            && other.Lease != mine.Id && other.Revision != lastRevision)
            Find(other, mine);
        else if (directory.TryPut(key, text, own?.Revision ?? 0, mine.Id, out DirectoryEntry? present) || present is not null)
            Find(present!, mine);
        else
            own = null;
    }

    /// <summary>An entry is there: this one's, also one that was written by a call whose answer was lost, or another's.</summary>
    private void Find(DirectoryEntry present, ILease mine)
    {
        bool first = own is null;
        own = present.Lease == mine.Id ? present : null;
        if (own is not null)
        {
            lastRevision = own.Revision;
            lastReason = null;
            if (first) Log.Present(logger, words.Present);
        }
        else if (words.Taken(present) is var sentence && IsNews(sentence))
        {
            Log.Taken(logger, words.TakenLevel, sentence);
        }
    }

    /// <summary>Said once, not at every attempt: the other, or the directory, may be as it is for hours.</summary>
    private bool IsNews(string reason)
    {
        bool news = reason != lastReason;
        lastReason = reason;
        return news;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Sentence}")]
        public static partial void Present(ILogger logger, string sentence);

        [LoggerMessage(2, LogLevel.Warning, "The lease of '{Key}' in the directory has ended; taking a new one")]
        public static partial void LeaseLost(ILogger logger, string key);

        [LoggerMessage(3, LogLevel.Warning, "'{Key}' cannot be kept in the directory at present, trying again: {Reason}")]
        public static partial void Away(ILogger logger, string key, string reason);

        [LoggerMessage(EventId = 4, Message = "{Sentence}")]
        public static partial void Taken(ILogger logger, LogLevel level, string sentence);
    }
}

/// <summary>What is logged of an entry that a process keeps.</summary>
/// <param name="Present">Said when it is there.</param>
/// <param name="Taken">Said when another's is there instead.</param>
/// <param name="TakenLevel">How bad that is.</param>
public sealed record PresenceWords(string Present, Func<DirectoryEntry, string> Taken, LogLevel TakenLevel = LogLevel.Warning);
