using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Llama.Model.Machine;

/// <summary>
/// The descriptors of this process, which sockets, files and assemblies share (getrlimit(2), RLIMIT_NOFILE). When there is none left for an
/// assembly the runtime ends the process; so those who open sockets for others leave some.
/// </summary>
public static partial class Descriptors
{
    /// <summary>What links from other processes leave for the process itself: files, assemblies, links that it opens.</summary>
    public const int KeptFromLinks = 32;

    /// <summary>What clients leave: the same, and some for links.</summary>
    public const int KeptFromClients = 40;

    /// <summary>With fewer a process leaves off what only tells of it: that takes assemblies, two descriptors each, which clients could have.</summary>
    public const int ForTelemetry = 512;

    /// <summary>What a program opens from its start until it has a few links, assemblies above all, and what is kept then.</summary>
    private const int OfProgram = 112;

    private const int FilesOnLinux = 7;
    private const int FilesOnMac = 8;

    /// <summary>The most at once; null where there is no limit or it is unknown. The runtime has raised it as far as it may.</summary>
    public static int? Limit
    {
        get
        {
            int resource = OperatingSystem.IsLinux() ? FilesOnLinux : OperatingSystem.IsMacOS() ? FilesOnMac : -1;
            return resource >= 0 && GetLimit(resource, out ResourceLimit limit) == 0 && limit.Current <= int.MaxValue
                ? (int)limit.Current
                : null;
        }
    }

    /// <summary>Whether there are enough for what only tells of the process.</summary>
    public static bool SufficeForTelemetry => Limit is not < ForTelemetry;

    /// <summary>Descriptors that are left; null where that is unknown.</summary>
    public static int? Left()
    {
        if (Limit is not { } limit) return null;
        try
        {
            using var next = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            return LeftAfter(next, limit);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    /// <summary>Throws unless a program that begins has as many descriptors as it needs.</summary>
    /// <exception cref="IOException">It has fewer; the message says how many.</exception>
    public static void Demand()
    {
        if (Left() is { } left and < OfProgram)
        {
            throw new IOException(
                $"This process may have {Limit} descriptors (ulimit -n), of which {left} are left; expected at least {OfProgram}, so a limit of"
                + $" {Limit - left + OfProgram} or more.");
        }
    }

    /// <summary>Whether others leave so many descriptors with a socket that was just opened.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="kept">How many are to be left.</param>
    public static bool Leaves(Socket socket, int kept)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return Limit is not { } limit || LeftAfter(socket, limit) >= kept;
    }

    /// <summary>The system gives out the lowest number that is free (POSIX, File Descriptor Allocation): all below it are in use.</summary>
    private static int LeftAfter(Socket socket, int limit) => limit - 1 - (int)socket.Handle;

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out ResourceLimit limit);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct ResourceLimit
    {
        public readonly ulong Current;
        public readonly ulong Most;
    }
}
