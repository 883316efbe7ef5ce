namespace Llama.Grains.Membership;

/// <summary>
/// A small text that the processes of a cluster share, with compare-and-set: all that a membership table needs of a store. Every call ends
/// within 2 s for each endpoint that the store has.
/// </summary>
public interface IMembershipDocument : IDisposable
{
    /// <summary>Where it is, for messages.</summary>
    string Location { get; }

    /// <summary>
    /// Whether this process made the store itself. Then no process can have known an earlier document in it, and none is waited for.
    /// </summary>
    bool IsNewStore { get; }

    /// <summary>Reads the document.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="MembershipStoreException">The store cannot be reached, or does not answer in time.</exception>
    Task<StoredDocument> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Writes the document if nobody has written it since it was read.</summary>
    /// <param name="text">The text, at most <see cref="StoredDocument.MaxBytes"/> long; it holds <paramref name="writeId"/>.</param>
    /// <param name="revision">The revision that was read.</param>
    /// <param name="writeId">
    /// Names this write. Each text holds those of the last writes before it, so a store can tell whether a text goes back to this write.
    /// </param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>False where the document has another revision now.</returns>
    /// <exception cref="MembershipStoreException">
    /// The store cannot be reached, or does not answer in time: the text may be written, or not.
    /// </exception>
    Task<bool> TryWriteAsync(string text, string revision, string writeId, CancellationToken cancellationToken);
}

/// <summary>What was read of a document.</summary>
/// <param name="Text">The text; null where the store has no document.</param>
/// <param name="Revision">What <see cref="IMembershipDocument.TryWriteAsync"/> compares; also where there is no document.</param>
public readonly record struct StoredDocument(string? Text, string Revision)
{
    /// <summary>Longest text, in bytes of UTF-8. A row takes some 400 of them.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Time that one endpoint of a store has for a call.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);
}

/// <summary>A store cannot be reached, or does not do what it should.</summary>
/// <param name="message">Which store, what was found and what was expected.</param>
/// <param name="inner">What it comes from, if from an exception.</param>
public sealed class MembershipStoreException(string message, Exception? inner = null) : IOException(message, inner);
