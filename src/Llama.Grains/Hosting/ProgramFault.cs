using System.ComponentModel;
using System.Net.Sockets;
using Llama.Model.Checkpoints;

namespace Llama.Grains.Hosting;

/// <summary>How a program that cannot go on says why, instead of being aborted by the runtime.</summary>
public static class ProgramFault
{
    /// <summary>The exit code of a program that ends so.</summary>
    public const int ExitCode = 1;

    /// <summary>Says on standard error why a program ends: a sentence for what its user can mend, all that is known for a defect.</summary>
    /// <param name="program">Its name.</param>
    /// <param name="exception">Why.</param>
    /// <returns><see cref="ExitCode"/>.</returns>
    public static int Tell(string program, Exception exception)
    {
        string reason = exception is CheckpointException or IOException or UnauthorizedAccessException or InvalidDataException
            or FormatException or ArgumentException or SocketException or OutOfMemoryException or OrleansConfigurationException
            ? exception.Message
            : exception.ToString();
        try
        {
            Console.Error.WriteLine($"{program} cannot start: {reason}");
        }
        catch (Exception e) when (e is IOException or Win32Exception)
        {
            // Nobody hears it, the disk that it is written to is full, or there is no descriptor for the console.
        }

        return ExitCode;
    }
}
