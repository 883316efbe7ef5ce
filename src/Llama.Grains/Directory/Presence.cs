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
    private readonly string who;
    private readonly Func<DirectoryEntry?, string> conflict;
    private readonly ILogger logger;
    private readonly Beat beat;
    private ILease? lease;
    private DirectoryEntry? own;
    private string? lastReason;
    private bool away;

    /// <summary>Starts to keep an entry.</summary>
    /// <param name="directory">Where.</param>
    /// <param name="key">Its key.</param>
    /// <param name="value">Its text at the moment; must not throw.</param>
    /// <param name="who">Who keeps it, for the log.</param>
    /// <param name="conflict">Says why the entry cannot be there when another's is.</param>
    /// <param name="logger">Told when the entry is there and when it is not.</param>
    public Presence(
        IDirectory directory, string key, Func<string> value, string who, Func<DirectoryEntry?, string> conflict, ILogger logger)
    {
        this.directory = directory;
        this.key = key;
        this.value = value;
        this.who = who;
        this.conflict = conflict;
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
                Log.LeaseLost(logger, who);
                (lease, own) = (null, null);
            }

            lease ??= directory.Grant();
            if (away) (away, lastReason) = (false, null);
            Put(lease, value());
        }
        catch (DirectoryException e)
        {
            away = true;
            Say(e.Message);
        }

        return true;
    }

    private void Put(ILease mine, string text)
    {
        if (own?.Value == text) return;
        bool first = own is null;
        if (directory.TryPut(key, text, own?.Revision ?? 0, mine, out DirectoryEntry? present))
        {
            own = present;
            lastReason = null;
            if (first) Log.Present(logger, who);
        }
        else
        {
            // One of this lease was written by a call whose answer was lost.
            own = present?.Lease == mine.Id ? present : null;
            if (present is not null && own is null) Say(conflict(present));
        }
    }

    /// <summary>Once, not at every attempt: the other, or the directory, may be as it is for hours.</summary>
    private void Say(string reason)
    {
        if (reason == lastReason) return;
        lastReason = reason;
        Log.Absent(logger, who, reason);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Who} is in the directory")]
        public static partial void Present(ILogger logger, string who);

        [LoggerMessage(2, LogLevel.Warning, "{Who} has lost its lease and takes a new one")]
        public static partial void LeaseLost(ILogger logger, string who);

        [LoggerMessage(3, LogLevel.Warning, "{Who} cannot be written to the directory, trying again: {Reason}")]
        public static partial void Absent(ILogger logger, string who, string reason);
    }
}
