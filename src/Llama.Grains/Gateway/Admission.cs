using Llama.Grains.Directory;
using Llama.Grains.Links;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// Which of the directory's silos are planned with: those that have answered a greeting at the address that they give. The greeting is the
/// handshake of every link, so a silo with another model, context length, weights or key is refused here, by name, whatever directory it
/// came by; and so is one that cannot be reached. Used by one loop.
/// </summary>
internal sealed partial class Admission(LinkIdentity self, TimeProvider time, ILogger logger, CancellationToken stopping)
{
    /// <summary>A silo that is there answers within this time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, Greeting> greetings = new(StringComparer.Ordinal);
    private readonly HashSet<string> faults = new(StringComparer.Ordinal);

    /// <summary>Greetings that have not been answered yet: when one is, there is more to say.</summary>
    public IEnumerable<Task> UnderWay => greetings.Values.Select(greeting => greeting.Answer).Where(answer => !answer.IsCompleted);

    /// <summary>
    /// Whether silos have just come that had not answered when <see cref="Admit"/> looked, and may be admitted in a moment: a plan can wait
    /// for them.
    /// </summary>
    public bool Expects => greetings.Values.Any(
        greeting => !greeting.WasAnswered && greeting.Refusal is null && time.GetElapsedTime(greeting.Since) < Patience);

    /// <summary>Why silos are refused, a sentence each.</summary>
    public IEnumerable<string> Refusals =>
    [
        .. from greeting in greetings.Values
           where greeting.Refusal is not null
           select $"Silo {greeting.Silo.Name} is refused: {greeting.Refusal}",
        .. faults,
    ];

    /// <summary>Greets those that were not there before, and some of those that were refused once more.</summary>
    /// <returns>The silos that may be planned with, by name.</returns>
    public IReadOnlyList<Member> Admit(DirectoryView view)
    {
        faults.IntersectWith(view.Faults);
        foreach (string fault in view.Faults.Where(faults.Add)) Log.Faulty(logger, fault);

        foreach (string gone in greetings.Keys.Except(view.Members.Select(silo => silo.Instance)).ToList()) greetings.Remove(gone);
        return [.. view.Members.Where(IsAdmitted)];
    }

    /// <summary>
    /// Greets silos once more, because a pipeline of them was lost: one that died, or hangs, may be in the directory for a while yet.
    /// </summary>
    public void Doubt(IEnumerable<Member> silos)
    {
        foreach (Member silo in silos) greetings[silo.Instance] = new Greeting(silo, GreetAsync(silo), time.GetTimestamp());
    }

    private bool IsAdmitted(Member silo)
    {
        if (!greetings.TryGetValue(silo.Instance, out Greeting? greeting))
            greetings.Add(silo.Instance, greeting = new Greeting(silo, GreetAsync(silo), time.GetTimestamp()));
        greeting.WasAnswered = greeting.Answer.IsCompletedSuccessfully;
        if (!greeting.WasAnswered) return false;
        string? refusal = greeting.Answer.Result;

        // Said once for each reason, not at every attempt.
        if (refusal is not null && refusal != greeting.Refusal) Log.Refused(logger, silo.Name, refusal);
        greeting.Refusal = refusal;
        if (refusal is null) return true;
        if (greeting.Again is not { } again)
        {
            greeting.Pause = greeting.Pause == TimeSpan.Zero
                ? ShortestPause
                : TimeSpan.FromTicks(Math.Min(greeting.Pause.Ticks * 2, LongestPause.Ticks));
            greeting.Again = time.GetTimestamp() + (long)(greeting.Pause.TotalSeconds * time.TimestampFrequency);
        }
        else if (time.GetTimestamp() >= again)
        {
            (greeting.Answer, greeting.Again) = (GreetAsync(silo), null);
        }

        return false;
    }

    /// <summary>Greets a silo.</summary>
    /// <returns>Why it is refused; null when it is not.</returns>
    private async Task<string?> GreetAsync(Member silo)
    {
        try
        {
            Stream link = await Dialler.DialAsync(silo.Address, self, new LinkTarget(LinkPurpose.Calls), stopping).ConfigureAwait(false);
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

    private sealed class Greeting(Member silo, Task<string?> answer, long since)
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
