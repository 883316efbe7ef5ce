using System.Net;
using System.Net.Sockets;

namespace Llama.Bench.Chaos;

/// <summary>
/// Ports for processes that are told theirs. They lie below those that systems give to outgoing connections: a process that starts again
/// must find its own free.
/// </summary>
internal static class ChaosPorts
{
    private const int First = 20_000;
    private const int End = 32_000;

    /// <summary>A port that nothing listens on.</summary>
    public static int Choose()
    {
        while (true)
        {
            int port = Random.Shared.Next(First, End);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken.
            }
        }
    }
}
