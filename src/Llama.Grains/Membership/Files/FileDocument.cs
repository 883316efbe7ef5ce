using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Llama.Grains.Membership.Files;

/// <summary>
/// A document in files of this machine: <c>ROOT/CLUSTER/000000000007.json</c> is its seventh revision, complete from the moment it is there,
/// and the highest one counts. A writer publishes the next number, which only one can. There are no locks, so a process that is
/// stopped or killed anywhere holds up nobody. Where the root folder is missing the store is away; where only the cluster's is, the
/// document is lost.
/// </summary>
public sealed partial class FileDocument : IMembershipDocument
{
    /// <summary>Revisions that are kept however old they are.</summary>
    private const int MinRevisions = 8;

    /// <summary>Calls at a time: a disk that hangs holds up to as many threads.</summary>
    private const int MaxCalls = 4;

    private const int MaxRereads = 20;
    private const string Extension = ".json";
    private const string TemporaryExtension = ".tmp";

    /// <summary>Age at which older revisions and files of writers that died are deleted.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim calls = new(MaxCalls);
    private readonly string root;
    private readonly string folder;
    private readonly TimeProvider time;

    /// <summary>Opens a document; the root folder is made, for its owner only, if it does not exist.</summary>
    /// <param name="root">The root folder.</param>
    /// <param name="clusterId">Which cluster's document.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="InvalidDataException">
    /// The root belongs to another user or can be written to by others, or the cluster's name cannot be that of a folder.
    /// </exception>
    public FileDocument(string root, string clusterId, TimeProvider time)
    {
        if (!ClusterName().IsMatch(clusterId))
            throw new InvalidDataException($"'{clusterId}' cannot name a cluster; expected up to 64 letters, digits, '-', '_' and '.'");
        this.root = Path.GetFullPath(root);
        this.time = time;
        folder = Path.Combine(this.root, clusterId);
        IsNewStore = OwnedFolder.Ensure(this.root);
    }

    /// <summary>The root folder that is used where none is given, one for each user of the machine.</summary>
    public static string DefaultRoot { get; } = Environment.GetFolderPath(
        Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify) is { Length: > 0 } data
            ? Path.Combine(data, "llama", "clusters")
            : Path.Combine(Path.GetTempPath(), $"llama-clusters-{Environment.UserName}");

    /// <inheritdoc/>
    public string Location => folder;

    /// <inheritdoc/>
    public bool IsNewStore { get; }

    /// <inheritdoc/>
    public Task<StoredDocument> ReadAsync(CancellationToken cancellationToken) => CallAsync(Read, cancellationToken);

    /// <inheritdoc/>
    public Task<bool> TryWriteAsync(string text, string revision, string writeId, CancellationToken cancellationToken) =>
        CallAsync(() => TryWrite(text, long.Parse(revision, CultureInfo.InvariantCulture) + 1, writeId), cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is held open; a call that hangs still uses the semaphore.
    }

    [GeneratedRegex(@"\A(?!\.)[A-Za-z0-9._-]{1,64}\z")]
    internal static partial Regex ClusterName();

    /// <summary>File systems know no cancellation: what does not end in time is left behind.</summary>
    private async Task<T> CallAsync<T>(Func<T> call, CancellationToken cancellationToken)
    {
        try
        {
            if (!await calls.WaitAsync(StoredDocument.Deadline, cancellationToken).ConfigureAwait(false)) throw new TimeoutException();
            Task<T> running = Task.Run(
                () =>
                {
                    try
                    {
                        return call();
                    }
                    finally
                    {
                        calls.Release();
                    }
                },
                CancellationToken.None);
            return await running.WaitAsync(StoredDocument.Deadline, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new MembershipStoreException($"'{folder}': the file system did not answer within {StoredDocument.Deadline.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is (IOException or UnauthorizedAccessException) and not MembershipStoreException)
        {
            throw new MembershipStoreException($"'{folder}': {e.Message}", e);
        }
    }

    private StoredDocument Read()
    {
        for (int i = 0; i < MaxRereads; i++)
        {
            long newest = Newest();
            if (newest == 0) return new StoredDocument(null, "0");
            try
            {
                return new StoredDocument(ReadText(NameOf(newest)), newest.ToString(CultureInfo.InvariantCulture));
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                // Replaced and cleaned since, or lost.
            }
        }

        throw new MembershipStoreException($"'{folder}': files vanish while they are read");
    }

    /// <summary>Longer than a document can be, it is read as far as is needed to see that it is none.</summary>
    private static string ReadText(string file)
    {
        using FileStream stream = File.OpenRead(file);
        byte[] content = new byte[Math.Min(stream.Length, StoredDocument.MaxBytes)];
        return Encoding.UTF8.GetString(content, 0, stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false));
    }

    private bool TryWrite(string text, long number, string writeId)
    {
        CheckRoot();
        if (number == 1) System.IO.Directory.CreateDirectory(folder);
        else if (!File.Exists(NameOf(number - 1))) return false;

        string temporary = Path.Combine(folder, $"{MembershipState.NewId()}{TemporaryExtension}");
        try
        {
            File.WriteAllText(temporary, text);
            if (!TryPublish(temporary, NameOf(number))) return false;
        }
        catch (DirectoryNotFoundException)
        {
            return false;
        }
        finally
        {
            TryDelete(temporary);
        }

        // A writer that stood still since its look at the revision before may have taken a number that was used and cleaned. Nobody has
        // seen that file: the newest one does not go back to it.
        if (Newest() != number && Read().Text?.Contains(writeId, StringComparison.Ordinal) != true) return false;
        Clean(number);
        return true;
    }

    private static bool TryPublish(string temporary, string name)
    {
        if (!OperatingSystem.IsWindows()) return Posix.TryLink(temporary, name);
        try
        {
            File.Move(temporary, name, overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(name))
        {
            return false;
        }
    }

    private string NameOf(long number) => Path.Combine(folder, number.ToString("D12", CultureInfo.InvariantCulture) + Extension);

    private static long NumberOf(string file) =>
        Path.GetExtension(file) == Extension
        && long.TryParse(Path.GetFileNameWithoutExtension(file), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0;

    /// <summary>The highest revision; 0 for a document that is lost.</summary>
    private long Newest()
    {
        try
        {
            return System.IO.Directory.EnumerateFiles(folder).Select(NumberOf).DefaultIfEmpty().Max();
        }
        catch (DirectoryNotFoundException)
        {
            CheckRoot();
            return 0;
        }
    }

    private void CheckRoot()
    {
        if (!System.IO.Directory.Exists(root)) throw new MembershipStoreException($"the folder '{root}' does not exist any more");
    }

    private void Clean(long newest)
    {
        DateTime limit = time.GetUtcNow().UtcDateTime - MaxAge;
        try
        {
            foreach (string file in System.IO.Directory.EnumerateFiles(folder))
            {
                bool needless = Path.GetExtension(file) == TemporaryExtension || NumberOf(file) is > 0 and var number && number <= newest - MinRevisions;
                if (needless && File.GetLastWriteTimeUtc(file) < limit) TryDelete(file);
            }
        }
        catch (IOException)
        {
            // Lost meanwhile; the next write finds out.
        }
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody reads it (on Windows), or the folder is gone; it is deleted with a later write.
        }
    }
}
