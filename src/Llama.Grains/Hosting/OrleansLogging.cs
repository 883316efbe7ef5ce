using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>What of Orleans' messages a process shows.</summary>
public static class OrleansLogging
{
    private static readonly string[] Quiet =
    [
        "Orleans.Messaging",
        "Orleans.Runtime.CallbackData",
        "Orleans.Runtime.MembershipService.MembershipTableManager",
        "Orleans.Runtime.Messaging.Connection",
        "Orleans.Runtime.Silo",
        "Orleans.Runtime.SiloLifecycleSubject",
        "Orleans.Runtime.Watchdog",
        "Orleans.ServiceLifecycle",
    ];

    /// <summary>
    /// Shows Orleans' warnings, less those of parts that tell at length, with stack traces, what somebody else says in a line or handles:
    /// how an incarnation ends and who is gone (<see cref="OrleansSilo"/>), and that a call found nobody (its caller).
    /// </summary>
    /// <param name="logging">What to set up.</param>
    /// <param name="verbose">Whether everything from information on is shown.</param>
    public static ILoggingBuilder AddOrleansLogging(this ILoggingBuilder logging, bool verbose)
    {
        logging.AddFilter("Orleans", verbose ? LogLevel.Information : LogLevel.Warning).AddFilter("Polly", LogLevel.None);
        foreach (string category in verbose ? [] : Quiet) logging.AddFilter(category, LogLevel.None);
        return logging;
    }
}
