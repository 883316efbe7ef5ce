using System.Net.Sockets;

namespace Llama.Grains.Links;

/// <summary>What the sockets of all links have in common.</summary>
internal static class LinkSocket
{
    /// <summary>
    /// Small frames go out at once. A machine that vanished without a word is noticed within ten seconds (TCP keep-alive, RFC 9293,
    /// section 3.8.4), also on links that are silent while there is nothing to do.
    /// </summary>
    /// <exception cref="SocketException">The socket is no longer connected.</exception>
    public static void Configure(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 1);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 5);
    }
}
