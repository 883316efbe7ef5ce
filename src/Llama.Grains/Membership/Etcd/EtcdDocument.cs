using System.Globalization;
using System.Text;

namespace Llama.Grains.Membership.Etcd;

/// <summary>
/// A document under one key of an etcd, <c>CLUSTER/membership</c>. A revision is both of etcd's: an etcd that comes back without its data
/// counts from the beginning, so that one number alone may come again.
/// </summary>
public sealed class EtcdDocument : IMembershipDocument
{
    private readonly EtcdClient client;
    private readonly byte[] key;

    /// <summary>Connects to nothing yet.</summary>
    /// <param name="address">Where etcd is.</param>
    /// <param name="clusterId">Which cluster's document.</param>
    /// <param name="secrets">Login and certificate.</param>
    /// <exception cref="InvalidDataException">The address is one with TLS, and there is no certificate.</exception>
    internal EtcdDocument(EtcdAddress address, string clusterId, MembershipSecrets secrets)
    {
        client = new EtcdClient(address, secrets);
        key = Encoding.UTF8.GetBytes($"{clusterId}/membership");
        Location = $"{address with { Name = clusterId }}";
    }

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public bool IsNewStore => false;

    /// <inheritdoc/>
    public async Task<StoredDocument> ReadAsync(CancellationToken cancellationToken)
    {
        EtcdRangeAnswer answer = await client.CallAsync(
            "kv/range", new EtcdRange(key), EtcdJson.Default.EtcdRange, EtcdJson.Default.EtcdRangeAnswer, cancellationToken).ConfigureAwait(false);
        return answer.Kvs is [var found, ..]
            ? new StoredDocument(
                Encoding.UTF8.GetString(found.Value ?? []),
                string.Create(CultureInfo.InvariantCulture, $"{found.ModRevision}/{found.CreateRevision}"))
            : new StoredDocument(null, "0/0");
    }

    /// <inheritdoc/>
    /// <exception cref="FormatException">The revision is none of etcd's.</exception>
    public async Task<bool> TryWriteAsync(string text, string revision, string writeId, CancellationToken cancellationToken)
    {
        string[] parts = revision.Split('/');
        if (parts.Length != 2) throw new FormatException($"'{revision}' is no revision; expected two numbers");
        var transaction = new EtcdTransaction(
            [
                new EtcdCompare(key, "MOD", ModRevision: long.Parse(parts[0], CultureInfo.InvariantCulture)),
                new EtcdCompare(key, "CREATE", CreateRevision: long.Parse(parts[1], CultureInfo.InvariantCulture)),
            ],
            [new EtcdOperation(new EtcdPut(key, Encoding.UTF8.GetBytes(text)))]);
        EtcdTransactionAnswer answer = await client.CallAsync(
            "kv/txn", transaction, EtcdJson.Default.EtcdTransaction, EtcdJson.Default.EtcdTransactionAnswer, cancellationToken)
            .ConfigureAwait(false);
        return answer.Succeeded;
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();
}
