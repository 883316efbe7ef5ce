using Llama.Grains.Links;
using Llama.Grains.Stages;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Silos;

/// <summary>
/// Which of the cluster's silos are planned with: those that have answered a handshake at the address that they give. It is the handshake of
/// every link, so a silo with another model, context length, weights or key is refused here, by name; and so is one that cannot be reached.
/// Used by one loop.
/// </summary>
internal sealed partial class Admission(LinkIdentity self, TimeProvider time, ILogger logger, CancellationToken stopping)
{
    /// <summary>A silo that is there answers within this time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, Trial> trials = new(StringComparer.Ordinal);
    private readonly HashSet<string> faults = new(StringComparer.Ordinal);

    /// <summary>Trials that have not been answered yet: when one is, there is more to say.</summary>
    public IEnumerable<Task> InFlight => trials.Values.Select(trial => trial.Answer).Where(answer => !answer.IsCompleted);

    /// <summary>
    /// Whether silos have just come that had not answered when <see cref="Admit"/> looked, and may be admitted in a moment: a plan can wait
    /// for them.
    /// </summary>
    public bool Expects => trials.Values.Any(
        trial => !trial.WasAnswered && trial.Refusal is null && time.GetElapsedTime(trial.Since) < Patience);

    /// <summary>Why silos are refused, a sentence each.</summary>
    public IEnumerable<string> Refusals =>
    [
        .. from trial in trials.Values
           where trial.Refusal is not null
           select $"Silo {trial.Silo.Name} is refused: {trial.Refusal}",
        .. faults,
    ];

    /// <summary>Tries those that were not there before, and some of those that were refused once more.</summary>
    /// <returns>The silos that may be planned with, by name.</returns>
    public IReadOnlyList<Member> Admit(SilosView view)
    {
        faults.IntersectWith(view.Faults);
        foreach (string fault in view.Faults.Where(faults.Add)) Log.Faulty(logger, fault);

        foreach (string gone in trials.Keys.Except(view.Members.Select(silo => silo.Instance)).ToList()) trials.Remove(gone);
        return [.. view.Members.Where(IsAdmitted)];
    }

    /// <summary>
    /// Tries silos once more, because a pipeline of them was lost: one that died, or hangs, may be a member for a while yet.
    /// </summary>
    public void Doubt(IEnumerable<Member> silos)
    {
        foreach (Member silo in silos) trials[silo.Instance] = new Trial(silo, TryAsync(silo), time.GetTimestamp());
    }

    private bool IsAdmitted(Member silo)
    {
        if (!trials.TryGetValue(silo.Instance, out Trial? trial))
            trials.Add(silo.Instance, trial = new Trial(silo, TryAsync(silo), time.GetTimestamp()));
        trial.WasAnswered = trial.Answer.IsCompletedSuccessfully;
        if (!trial.WasAnswered) return false;
        string? refusal = trial.Answer.Result;

        // Said once for each reason, not at every attempt.
        if (refusal is not null && refusal != trial.Refusal) Log.Refused(logger, silo.Name, refusal);
        trial.Refusal = refusal;
        if (refusal is null) return true;
        if (trial.Again is not { } again)
        {
            trial.Pause = trial.Pause == TimeSpan.Zero
                ? ShortestPause
                : TimeSpan.FromTicks(Math.Min(trial.Pause.Ticks * 2, LongestPause.Ticks));
            trial.Again = time.GetTimestamp() + (long)(trial.Pause.TotalSeconds * time.TimestampFrequency);
        }
        else if (time.GetTimestamp() >= again)
        {
            (trial.Answer, trial.Again) = (TryAsync(silo), null);
        }

        return false;
    }

    /// <summary>Tries a handshake with a silo.</summary>
    /// <returns>Why it is refused; null when it is not.</returns>
    private async Task<string?> TryAsync(Member silo)
    {
        try
        {
            Stream link = await Dialler.DialAsync(silo.Address, self, new LinkTarget(LinkPurpose.Check), stopping).ConfigureAwait(false);
            await link.DisposeAsync().ConfigureAwait(false);
            return null;
        }
#pragma warning disable CA1031 // A failure is a value: whatever keeps a silo from answering, it is refused and tried again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return e.Message;
        }
    }

    private sealed class Trial(Member silo, Task<string?> answer, long since)
    {
        public Member Silo => silo;

        public long Since => since;

        public Task<string?> Answer { get; set; } = answer;

        /// <summary>Whether the answer was there when it was looked for last.</summary>
        public bool WasAnswered { get; set; }

        public string? Refusal { get; set; }

        public TimeSpan Pause { get; set; }

        public long? Again { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Silo {Silo} is refused: {Reason}")]
        public static partial void Refused(ILogger logger, string silo, string reason);

        [LoggerMessage(2, LogLevel.Warning, "{Fault}")]
        public static partial void Faulty(ILogger logger, string fault);
    }
}
