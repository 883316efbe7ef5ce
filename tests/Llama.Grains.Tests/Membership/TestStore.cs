using Llama.Grains.Membership;

namespace Llama.Grains.Tests.Membership;

/// <summary>A document in memory that a test can lose, set back, replace and cut off.</summary>
internal sealed class TestStore : IMembershipDocument
{
    private readonly Lock gate = new();
    private int revision;

    /// <summary>The text; null for a document that is lost.</summary>
    public string? Text
    {
        get
        {
            lock (gate) return field;
        }

        set
        {
            lock (gate) (field, revision) = (value, revision + 1);
        }
    }

    /// <summary>What the text says.</summary>
    public MembershipState State
    {
        get => MembershipState.TryParse(Text!)!;
        set => Text = value.ToText();
    }

    public bool IsAway { get; set; }

    public bool IsNewStore { get; init; }

    public string Location => "test store";

    public Task<StoredDocument> ReadAsync(CancellationToken cancellationToken)
    {
        if (IsAway) throw new MembershipStoreException("away");
        lock (gate) return Task.FromResult(new StoredDocument(Text, $"{revision}"));
    }

    public Task<bool> TryWriteAsync(string text, string revision, string writeId, CancellationToken cancellationToken)
    {
        if (IsAway) throw new MembershipStoreException("away");
        lock (gate)
        {
            if (revision != $"{this.revision}") return Task.FromResult(false);
            Text = text;
            return Task.FromResult(true);
        }
    }

    public void Dispose()
    {
        // Tests open several views of it.
    }
}
