namespace Llama.Bench.Chaos;

/// <summary>What is done to a silo, the gateway or the etcd. Each begins, and ends a while later.</summary>
internal enum ChaosAction
{
    /// <summary>It is killed, and started again at the end.</summary>
    Kill,

    /// <summary>It stands still until the end.</summary>
    Hang,

    /// <summary>It stands still, and is killed and started again at the end.</summary>
    HangAndKill,

    /// <summary>It is asked to stop, and started again at the end.</summary>
    Leave,

    /// <summary>Its connections are cut, and new ones are refused until the end.</summary>
    Cut,

    /// <summary>Nothing passes through its connections until the end.</summary>
    Hold,

    /// <summary>One that was not there joins, and leaves at the end.</summary>
    Join,

    /// <summary>The gateway is killed, and started again at the end.</summary>
    KillGateway,

    /// <summary>The etcd is killed, and started again with its data at the end.</summary>
    KillEtcd,

    /// <summary>The etcd stands still until the end.</summary>
    HangEtcd,

    /// <summary>The etcd is killed, and started again without its data at the end.</summary>
    EmptyEtcd,
}

/// <summary>A disturbance.</summary>
/// <param name="At">When it begins, since the clients began.</param>
/// <param name="Lasts">Time to its end.</param>
/// <param name="Action">What is done.</param>
/// <param name="Silo">To whom: the silo's number, from 1; 0 for the gateway and the etcd.</param>
internal sealed record ChaosEvent(TimeSpan At, TimeSpan Lasts, ChaosAction Action, int Silo);

/// <summary>
/// Samples what happens: a Poisson process of disturbances, in which a silo is the victim of one at a time and recovers for a while after
/// it, and never more are disturbed than there are standbys, and one; and further processes of what happens to the gateway and to the etcd.
/// </summary>
internal static class ChaosSchedule
{
    /// <summary>Numbers behind those of the silos that are always there, for those that join.</summary>
    public const int Joining = 2;

    /// <summary>Of a disturbance. A silo counts as lost after 3 s: some are noticed and some are not.</summary>
    private const double LongestSeconds = 8;

    /// <summary>Of the gateway's absence.</summary>
    private const double LongestGatewaySeconds = 3;

    /// <summary>Of the etcd's absence.</summary>
    private const double LongestEtcdSeconds = 10;

    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(2);

    /// <summary>The schedule of a run; equal options have equal ones.</summary>
    public static IReadOnlyList<ChaosEvent> Of(ChaosOptions options)
    {
        var random = new Random(options.Seed);
        List<ChaosEvent> events =
        [
            .. Of(options.GatewayKills, options.Seconds, LongestGatewaySeconds, [ChaosAction.KillGateway], new Random(~options.Seed)),
            .. Of(
                options.EtcdKills, options.Seconds, LongestEtcdSeconds, [ChaosAction.KillEtcd, ChaosAction.HangEtcd, ChaosAction.EmptyEtcd],
                new Random(options.Seed ^ 0x5eed)),
        ];
        int permanent = options.Silos + options.Standbys;
        var free = new TimeSpan[permanent + Joining + 1];
        if (options.Events == 0) return events;
        for (TimeSpan at = Gap(random, options.Events); at < TimeSpan.FromSeconds(options.Seconds); at += Gap(random, options.Events))
        {
            ChaosAction action = (ChaosAction)random.Next((int)ChaosAction.Join + 1);
            TimeSpan lasts = TimeSpan.FromSeconds(0.1 + (random.NextDouble() * LongestSeconds));
            bool joins = action == ChaosAction.Join;
            int[] candidates =
            [
                .. Enumerable.Range(joins ? permanent + 1 : 1, joins ? Joining : permanent).Where(silo => free[silo] <= at),
            ];
            double choice = random.NextDouble();
            int disturbed = free[1..(permanent + 1)].Count(until => until > at);
            if (candidates.Length == 0 || (!joins && disturbed > options.Standbys)) continue;
            int victim = candidates[(int)(choice * candidates.Length)];
            free[victim] = at + lasts + Rest;
            events.Add(new ChaosEvent(at, lasts, action, victim));
        }

        return events;
    }

    /// <summary>What happens to one process, never two things at once.</summary>
    private static IEnumerable<ChaosEvent> Of(int aMinute, int seconds, double longestSeconds, ChaosAction[] actions, Random random)
    {
        if (aMinute == 0) yield break;
        TimeSpan free = TimeSpan.Zero;
        for (TimeSpan at = Gap(random, aMinute); at < TimeSpan.FromSeconds(seconds); at += Gap(random, aMinute))
        {
            if (at < free) continue;
            TimeSpan lasts = TimeSpan.FromSeconds(0.1 + (random.NextDouble() * longestSeconds));
            free = at + lasts + Rest;
            yield return new ChaosEvent(at, lasts, actions.Length == 1 ? actions[0] : actions[random.Next(actions.Length)], 0);
        }
    }

    private static TimeSpan Gap(Random random, int events) => TimeSpan.FromMinutes(-Math.Log(1 - random.NextDouble()) / events);
}
