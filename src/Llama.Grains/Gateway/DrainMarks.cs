using Llama.Grains.Silos;
using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <summary>
/// Has drained silos know that they are: the mark lives in the silo's process, so it ends with the process that was drained, and a gateway
/// that succeeds this one reads it from there. Used by one loop.
/// </summary>
/// <param name="silos">The silos.</param>
internal sealed class DrainMarks(ISilos silos)
{
    /// <summary>A silo that is well notes a mark within this time.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    /// <summary>What silos' processes have noted since they were last heard of.</summary>
    private readonly Dictionary<string, bool> noted = new(StringComparer.Ordinal);

    private IReadOnlyList<(string Instance, bool Drained)> arrived = [];
    private volatile bool away;

    /// <summary>Completes when what was to be noted is, or cannot be at present.</summary>
    public Task Marking { get; private set; } = Task.CompletedTask;

    /// <summary>Whether a silo knows that it is drained, or cannot be told, or is gone.</summary>
    public bool IsSettled(Member? silo) => away || silo is null || Says(silo);

    /// <summary>Has every silo note what is so. Waits for nothing.</summary>
    /// <param name="view">The silos.</param>
    /// <param name="isDrained">What is so.</param>
    public void Update(SilosView view, Func<Member, bool> isDrained)
    {
        if (!Marking.IsCompleted) return;
        foreach ((string instance, bool drained) in arrived) noted[instance] = drained;
        arrived = [];
        foreach (string gone in noted.Keys.Except(view.Members.Select(silo => silo.Instance)).ToList()) noted.Remove(gone);
        Member[] changed = [.. view.Members.Where(silo => Says(silo) != isDrained(silo))];
        if (changed.Length > 0) Marking = MarkAsync([.. changed.Select(silo => (silo, isDrained(silo)))]);
    }

    private bool Says(Member silo) => noted.GetValueOrDefault(silo.Instance, silo.Drained);

    private async Task MarkAsync((Member Silo, bool Drained)[] marks)
    {
        try
        {
            using var deadline = new CancellationTokenSource(Deadline);
            await Task.WhenAll(marks.Select(mark => silos.MarkAsync(mark.Silo, mark.Drained, deadline.Token).WaitAsync(deadline.Token)))
                .ConfigureAwait(false);
            arrived = [.. marks.Select(mark => (mark.Silo.Instance, mark.Drained))];
            away = false;
        }
#pragma warning disable CA1031 // It is tried again as long as it is so.
        catch (Exception)
#pragma warning restore CA1031
        {
            away = true;
        }
    }
}
