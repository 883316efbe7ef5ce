using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>What of Orleans' messages a process shows.</summary>
public static class OrleansLogging
{
    /// <summary>
    /// Shows what Orleans says only where details are asked for. Its warnings and errors tell at length, with stack traces, of silos that are
    /// gone and of calls that found nobody: what is expected here, is handled, and is said in a line where it is handled.
    /// </summary>
    /// <param name="logging">What to set up.</param>
    /// <param name="verbose">Whether everything from information on is shown.</param>
    public static ILoggingBuilder AddOrleansLogging(this ILoggingBuilder logging, bool verbose)
    {
        logging.AddFilter("Orleans", verbose ? LogLevel.Information : LogLevel.Critical).AddFilter("Polly", LogLevel.None);
        return logging;
    }
}
