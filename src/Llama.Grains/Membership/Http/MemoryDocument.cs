using System.Globalization;

namespace Llama.Grains.Membership.Http;

/// <summary>
/// A document in the memory of this process, which is lost when it ends: the next process has an empty one, until a silo brings what it knew.
/// </summary>
public sealed class MemoryDocument : IMembershipDocument
{
    private readonly Lock gate = new();

    /// <summary>In every revision, so that none of an earlier process is taken for one of this.</summary>
    private readonly string instance = MembershipState.NewId();

    private string? text;
    private long writes;

    /// <inheritdoc/>
    public string Location => "in the memory of this process";

    /// <inheritdoc/>
    public bool IsNewStore => false;

    private string Revision => string.Create(CultureInfo.InvariantCulture, $"{instance}-{writes}");

    /// <inheritdoc/>
    public Task<StoredDocument> ReadAsync(CancellationToken cancellationToken)
    {
        lock (gate) return Task.FromResult(new StoredDocument(text, Revision));
    }

    /// <inheritdoc/>
    public Task<bool> TryWriteAsync(string text, string revision, string writeId, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (revision != Revision) return Task.FromResult(false);
            this.text = text;
            writes++;
            return Task.FromResult(true);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Others may read it as long as the process lives.
    }
}
