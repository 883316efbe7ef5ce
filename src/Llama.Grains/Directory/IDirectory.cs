namespace Llama.Grains.Directory;

/// <summary>
/// What the processes of a cluster know of each other: texts under keys, each of which lives as long as the lease of whoever wrote it.
/// Reading never waits: the view is what was heard last, and stays while the directory is away. Everything else asks the directory and
/// blocks, for at most a few seconds, so that a thread of its own can do it (see <see cref="Beat"/>).
/// </summary>
public interface IDirectory
{
    /// <summary>All entries, as they were heard last.</summary>
    DirectoryView View { get; }

    /// <summary>Waits until the view is newer than a version.</summary>
    /// <param name="version">The version that the caller knows.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken);

    /// <summary>Grants a lease, which lasts some seconds from now and from each renewal.</summary>
    /// <exception cref="DirectoryException">The directory cannot be asked.</exception>
    ILease Grant();

    /// <summary>Writes an entry, if the present one is what the caller takes it for.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The text.</param>
    /// <param name="revision">Revision of the present entry; 0 where there must be none.</param>
    /// <param name="lease">Number of a lease that the entry ends with; it may be another's.</param>
    /// <param name="present">The entry that is there now: the caller's own, or else another's, or null for none.</param>
    /// <returns>Whether it was written; false, too, when the lease has ended.</returns>
    /// <exception cref="DirectoryException">The directory cannot be asked; whether it has written is unknown.</exception>
    bool TryPut(string key, string value, long revision, long lease, out DirectoryEntry? present);
}

/// <summary>Keeps entries alive. It ends when it was not renewed in time, or when disposed of; its entries end with it.</summary>
public interface ILease : IDisposable
{
    /// <summary>Its number in its directory.</summary>
    long Id { get; }

    /// <summary>Puts its end off; false when it has already ended.</summary>
    /// <exception cref="DirectoryException">The directory cannot be asked; the lease may go on, or end meanwhile.</exception>
    bool Renew();
}

/// <summary>One text in a directory.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Value">The text.</param>
/// <param name="Revision">When it was written: later ones have higher numbers.</param>
/// <param name="Lease">The lease that it ends with.</param>
public sealed record DirectoryEntry(string Key, string Value, long Revision, long Lease);

/// <summary>The directory refuses, or cannot be asked.</summary>
public class DirectoryException : Exception
{
    /// <summary>The directory refuses, or cannot be asked.</summary>
    /// <param name="message">Why.</param>
    public DirectoryException(string message)
        : base(message)
    {
    }
}
