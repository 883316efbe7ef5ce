using System.Text;
using Llama.Grains.Certificates;
using Llama.Grains.Settings;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Directory.Etcd;

/// <summary>
/// The directory in a real etcd, over its JSON gateway. A loop keeps the view: it reads all keys, then watches them from the revision
/// after; when the watch ends, for whatever reason, compaction among them, it reads all keys again, perhaps from another server.
/// </summary>
public sealed partial class EtcdDirectory : IDirectory, IAsyncDisposable
{
    /// <summary>How long a lease lives without being renewed: time for an etcd to choose another leader.</summary>
    public static readonly TimeSpan DefaultLeaseTime = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly string prefix;
    private readonly EtcdClient client;
    private readonly TimeSpan leaseTime;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();
    private readonly EtcdView view;
    private readonly Task watching;

    /// <summary>Starts to look for the etcd, which need not run yet.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="login">User and password, or null for an etcd without authentication.</param>
    /// <param name="time">Measures pauses.</param>
    /// <param name="logger">Told when it is reached and when it is away.</param>
    /// <param name="certificate">What to show to an etcd that speaks TLS, and whose certificates to accept there.</param>
    /// <exception cref="InvalidDataException">The address is one with TLS, and there is no certificate.</exception>
    public EtcdDirectory(
        EtcdAddress address, DirectoryLogin? login, TimeProvider time, ILogger logger, ProcessCertificate? certificate = null)
        : this(address, login, time, logger, DefaultLeaseTime, certificate)
    {
    }

    internal EtcdDirectory(
        EtcdAddress address, DirectoryLogin? login, TimeProvider time, ILogger logger, TimeSpan leaseTime,
        ProcessCertificate? certificate = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(time);
        this.leaseTime = leaseTime;
        prefix = address.Prefix;
        client = new EtcdClient(address, login, certificate);
        this.time = time;
        this.logger = logger;
        view = new EtcdView(prefix, leaseTime, time);
        watching = Task.Run(() => WatchAsync(address.ToString()));
    }

    /// <inheritdoc/>
    public DirectoryView View => view.Published.Now;

    /// <inheritdoc/>
    public Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
        view.Published.WaitForChangeAsync(version, cancellationToken);

    /// <inheritdoc/>
    public ILease Grant()
    {
        var answer = Call<EtcdLeaseAnswer>("lease/grant", new EtcdLeaseRequest { SecondsToLive = (long)leaseTime.TotalSeconds });

        // An entry of lease 0 would never end.
        return answer.Id != 0 ? new Lease(this, answer.Id) : throw new DirectoryException("etcd granted a lease without a number.");
    }

    /// <inheritdoc/>
    public bool TryPut(string key, string value, long revision, long lease, out DirectoryEntry? present)
    {
        byte[] path = Encoding.UTF8.GetBytes(prefix + key);
        var transaction = new EtcdTransaction(
            [new EtcdCompare(path, revision)],
            [new EtcdOperation(new EtcdPut(path, Encoding.UTF8.GetBytes(value), lease), null)],
            [new EtcdOperation(null, new EtcdRange(path, null))]);
        EtcdTransactionAnswer answer;
        try
        {
            answer = Call<EtcdTransactionAnswer>("kv/txn", transaction);
        }
        catch (EtcdException e) when (e.Code == EtcdCode.NotFound)
        {
            // No such lease.
            present = null;
            return false;
        }

        present = answer.Succeeded
            ? new DirectoryEntry(key, value, Revision(answer.Header), lease)
            : answer.Responses?.FirstOrDefault()?.ResponseRange?.Kvs?.Select(pair => EtcdView.Entry(key, pair)).FirstOrDefault();
        return answer.Succeeded;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        view.Dispose();
        client.Dispose();
        stopping.Dispose();
    }

    private T Call<T>(string path, object request)
    {
        T answer = client.Call<T>(path, request);
        view.Heard();
        return answer;
    }

    private async Task WatchAsync(string address)
    {
        byte[] start = Encoding.UTF8.GetBytes(prefix);

        // All keys with a prefix are those from it up to the first text that is greater than all of them; a prefix ends in a slash.
        byte[] end = [.. start[..^1], (byte)(start[^1] + 1)];
        TimeSpan pause = TimeSpan.Zero;
        string? lastReason = string.Empty;
        while (!stopping.IsCancellationRequested)
        {
            string reason = "it has ended the watch";
            try
            {
                EtcdRangeAnswer all =
                    await Task.Run(() => Call<EtcdRangeAnswer>("kv/range", new EtcdRange(start, end))).ConfigureAwait(false);
                view.Replace(all.Kvs ?? []);
                if (lastReason is not null) Log.Reached(logger, address);
                lastReason = null;
                var watch = new EtcdWatch(new EtcdWatchCreate(start, end, Revision(all.Header) + 1));
                await foreach (EtcdWatchAnswer answer in client.WatchAsync(watch, stopping.Token).ConfigureAwait(false))
                {
                    view.Apply(answer.Events ?? []);
                    pause = TimeSpan.Zero;
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Without this loop the view would never change again: whatever went wrong, it goes on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                reason = e is OperationCanceledException ? "the server that was watched does not answer" : e.Message;
            }

            view.StartGrace();
            if (reason != lastReason) Log.Away(logger, address, reason);
            lastReason = reason;
            pause = pause == TimeSpan.Zero
                ? TimeSpan.FromMilliseconds(50)
                : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
            await Task.Delay(pause, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static long Revision(EtcdHeader? header) =>
        header?.Revision ?? throw new DirectoryException("etcd's answer has no header.");

    private sealed class Lease(EtcdDirectory directory, long id) : ILease
    {
        public long Id => id;

        public bool Renew()
        {
            var answer = directory.Call<EtcdStreamed<EtcdLeaseAnswer>>("lease/keepalive", new EtcdLeaseRequest { Id = id });
            if (answer.Error is { } error) throw EtcdException.Read(error.GetRawText(), 200);

            // etcd answers for a lease that it does not know, too: without a time to live.
            return answer.Result?.SecondsToLive > 0;
        }

        public void Dispose()
        {
            try
            {
                directory.Call<EtcdNothing>("lease/revoke", new EtcdLeaseRequest { Id = id });
            }
            catch (DirectoryException)
            {
                // It has ended already, or will by itself.
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "The directory is {Address}")]
        public static partial void Reached(ILogger logger, string address);

        [LoggerMessage(2, LogLevel.Warning, "The directory {Address} is away; the last view of it stays, and it is tried again: {Reason}")]
        public static partial void Away(ILogger logger, string address, string reason);
    }
}
