using System.Collections.Immutable;
using Llama.Grains.Silos;
using Llama.Grains.Stages;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// Which silos may get layers: those that were admitted, are not drained, and have not just been silent. Changed by the controller's loop;
/// any thread may read.
/// </summary>
/// <param name="admission">Tries silos.</param>
/// <param name="time">The controller's clock.</param>
/// <param name="logger">Told of silos whose membership is lost.</param>
internal sealed class SiloPool(Admission admission, TimeProvider time, ILogger logger)
{
    /// <summary>By then membership, too, has seen that a silo is gone which gave no heartbeat.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(8);

    private static readonly ImmutableDictionary<string, string> Nobody = ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// Silos (their processes) that could not load their layers, hung or answered nonsense: the last to be chosen, while they
    /// live.
    /// </summary>
    private readonly HashSet<string> unfit = new(StringComparer.Ordinal);

    /// <summary>Until when silos that gave no heartbeat get no layers.</summary>
    private readonly Dictionary<string, long> silent = new(StringComparer.Ordinal);

    /// <summary>
    /// Silos that get no layers any more, with the process that was drained. One that membership loses, and that then comes back, is
    /// the same process and drained still.
    /// </summary>
    private volatile ImmutableDictionary<string, string> drained = Nobody;

    /// <summary>Silos (process and name) that have a place in an open pipeline, and that are no members of the cluster.</summary>
    private Dictionary<string, string> missing = [];
    private volatile IReadOnlyList<Member> members = [];
    private volatile IReadOnlyList<string> refused = [];

    /// <summary>The silos that may be planned with, by name.</summary>
    public IReadOnlyList<Member> Members => members;

    /// <summary>Silos that may not be planned with and why, a sentence each.</summary>
    public IReadOnlyList<string> Refused => refused;

    /// <summary>The silos that get no layers, because they were drained.</summary>
    public IReadOnlyList<Member> Drained => [.. members.Where(IsDrained)];

    /// <inheritdoc cref="Admission.Expects"/>
    public bool Expects => admission.Expects;

    /// <inheritdoc cref="Admission.InFlight"/>
    public IEnumerable<Task> InFlight => admission.InFlight;

    /// <summary>Forgets what was held against silos that are gone.</summary>
    /// <param name="present">Processes of silos that are there.</param>
    public void Forget(HashSet<string> present)
    {
        unfit.IntersectWith(present);
        foreach (string silo in silent.Keys.Except(present).ToList()) silent.Remove(silo);
    }

    /// <summary>Takes the silos in that are there.</summary>
    public void Admit(SilosView view)
    {
        members = MemoryShares.Of(admission.Admit(view));
        refused = [.. admission.Refusals];
    }

    /// <summary>Says of which silos only their links tell that they live.</summary>
    /// <param name="present">Processes of silos that are there.</param>
    /// <param name="pipelines">The pipelines that work.</param>
    public void TellMissing(HashSet<string> present, IEnumerable<Pipeline> pipelines)
    {
        Dictionary<string, string> now = pipelines.SelectMany(pipeline => pipeline.Plan)
            .Where(stage => !present.Contains(stage.Member.Instance))
            .ToDictionary(stage => stage.Member.Instance, stage => stage.Member.Name);
        foreach ((_, string name) in now.Where(silo => !missing.ContainsKey(silo.Key))) ControllerLog.Missing(logger, name);
        foreach ((_, string name) in missing.Where(silo => present.Contains(silo.Key))) ControllerLog.Back(logger, name);
        missing = now;
    }

    /// <summary>Tries silos once more, because a pipeline of them was lost.</summary>
    public void Doubt(IEnumerable<Member> silos) => admission.Doubt(silos);

    /// <summary>Chooses a silo last from now on.</summary>
    /// <param name="silo">The silo.</param>
    /// <param name="silent">Whether it gave no heartbeat: then it gets no layers for a while.</param>
    public void Blame(Member silo, bool silent)
    {
        unfit.Add(silo.Instance);
        if (silent) this.silent[silo.Instance] = time.GetTimestamp() + (long)(Silence.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>Gives a silo no layers any more.</summary>
    public void Drain(Member silo) => drained = drained.SetItem(silo.Name, silo.Instance);

    /// <summary>Lets a silo have layers again.</summary>
    public void TakeBack(Member silo) => drained = drained.Remove(silo.Name);

    /// <summary>Lets all silos have layers, as far as this process has a say.</summary>
    public void TakeBackAll() => drained = Nobody;

    /// <summary>Whether a silo was drained.</summary>
    public bool IsDrained(Member silo) => drained.GetValueOrDefault(silo.Name) == silo.Instance;

    /// <summary>Whether nothing is held against a silo.</summary>
    public bool IsFit(Member silo) => !unfit.Contains(silo.Instance);

    /// <summary>Whether a silo may get layers at all.</summary>
    public bool IsFree(Member silo) => !IsSilent(silo) && !IsDrained(silo);

    /// <summary>A silo of a plan that cannot be planned with any more; null when there is none.</summary>
    public Member? FindGone(PipelinePlan plan)
    {
        HashSet<string> free = [.. members.Where(IsFree).Select(silo => silo.Instance)];
        return plan.Stages.Select(stage => stage.Member).FirstOrDefault(silo => !free.Contains(silo.Instance));
    }

    private bool IsSilent(Member silo) => silent.TryGetValue(silo.Instance, out long until) && time.GetTimestamp() < until;
}
