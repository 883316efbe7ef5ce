using Llama.Grains.Options;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Llama.Grains.Hosting;

/// <summary>How every process of the cluster logs: one line a message to standard output, its level first.</summary>
public static class ProcessLogging
{
    /// <summary>Sets up logging.</summary>
    /// <param name="logging">What to set up.</param>
    /// <param name="verbose">Whether details are logged, too.</param>
    /// <param name="format"><see cref="ModelOptions.TextLog"/> or <see cref="ModelOptions.JsonLog"/>.</param>
    public static ILoggingBuilder AddProcessLogging(this ILoggingBuilder logging, bool verbose, string format = ModelOptions.TextLog)
    {
        logging.ClearProviders();
        if (format == ModelOptions.JsonLog)
        {
            logging.AddJsonConsole(options =>
            {
                options.UseUtcTimestamp = true;
                options.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
            });
        }
        else
        {
            logging.AddSimpleConsole(options =>
            {
                options.SingleLine = true;
                options.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }

        return logging
            .SetMinimumLevel(verbose ? LogLevel.Debug : LogLevel.Information)
            .AddOrleansLogging(verbose)
            .AddFilter("Microsoft", verbose ? LogLevel.Information : LogLevel.Warning)
            // It would log, with a stack trace, the exception that it then throws; the program says in one line why it cannot start.
            .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", verbose ? LogLevel.Information : LogLevel.Critical);
    }
}
