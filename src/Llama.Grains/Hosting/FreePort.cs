using System.Net;
using System.Net.Sockets;

namespace Llama.Grains.Hosting;

/// <summary>
/// Ports for processes that are told theirs. They lie below those that systems give to outgoing connections (from 32768 on Linux, from
/// 49152 elsewhere, RFC 6335): one of these could be taken by any connection before the process listens on it, or starts again.
/// </summary>
public static class FreePort
{
    private const int First = 20000;
    private const int End = 32000;

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
