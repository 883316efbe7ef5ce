using Llama.Grains.Directory;

namespace Llama.Grains.Gateway;

/// <summary>
/// Which silos are drained, as the directory tells every gateway: an entry beside a silo's own, under the silo's lease, so that it ends
/// with the process that was drained. The gateway that owns the pipelines decides and writes; one that succeeds it reads.
/// </summary>
/// <param name="directory">Where the gateways agree.</param>
internal sealed class DrainMarks(IDirectory directory)
{
    private const string KeyPrefix = "drained/";
    private const string Drained = "drained";
    private const string TakenBack = "taken back";

    private volatile bool away;

    /// <summary>Completes when what was to be written is, or cannot be at present.</summary>
    public Task Writing { get; private set; } = Task.CompletedTask;

    /// <summary>Whether the directory says that a silo is drained.</summary>
    public static bool Says(DirectoryView view, Member silo) =>
        view.Entries.TryGetValue(KeyPrefix + silo.Name, out DirectoryEntry? mark) && mark.Value == Drained && mark.Lease == Lease(view, silo);

    /// <summary>Whether everybody could know that a silo is drained: the directory says so, or it cannot be asked, or the silo is gone.</summary>
    public bool AreSettled(DirectoryView view, Member? silo) => away || silo is null || Says(view, silo);

    /// <summary>Has the directory say of every silo what is so. Waits for nothing.</summary>
    /// <param name="view">The directory.</param>
    /// <param name="isDrained">What is so.</param>
    public void Update(DirectoryView view, Func<Member, bool> isDrained)
    {
        if (!Writing.IsCompleted) return;
        (Member Silo, bool IsDrained)[] changed =
            [.. view.Members.Select(silo => (silo, isDrained(silo))).Where(mark => Says(view, mark.silo) != mark.Item2)];
        if (changed.Length > 0) Writing = Task.Run(() => Write(view, changed));
    }

    private void Write(DirectoryView view, IEnumerable<(Member Silo, bool IsDrained)> changed)
    {
        try
        {
            foreach ((Member silo, bool isDrained) in changed)
            {
                string key = KeyPrefix + silo.Name;
                long revision = view.Entries.GetValueOrDefault(key)?.Revision ?? 0;

                // Where it is not written, somebody else has written, or the silo has a new lease: the next view tells.
                directory.TryPut(key, isDrained ? Drained : TakenBack, revision, Lease(view, silo), out _);
            }

            away = false;
        }
        catch (DirectoryException)
        {
            // It is tried again as long as it is so; that the directory is away, others say.
            away = true;
        }
    }

    private static long Lease(DirectoryView view, Member silo) => view.Entries[silo.Key].Lease;
}
