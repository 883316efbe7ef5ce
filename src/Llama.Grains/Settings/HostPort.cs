using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Llama.Grains.Settings;

/// <summary>A host name or IP address, and a port: <c>127.0.0.1:9000</c>, <c>node-7:9000</c>, <c>[::1]:9000</c>.</summary>
/// <param name="Host">The name or address; an IPv6 address without its brackets.</param>
/// <param name="Port">0 to 65535, or null where none was given.</param>
public readonly record struct HostPort(string Host, int? Port)
{
    /// <summary>Whether only this machine reaches it. A name other than <c>localhost</c> may mean anything, so it counts as not.</summary>
    public bool IsLoopback
        => IPAddress.TryParse(Host, out IPAddress? address)
            ? IPAddress.IsLoopback(address)
            : Host.Equals("localhost", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether it stands for every interface of a machine, so that nobody can connect to it.</summary>
    public bool IsEveryInterface
        => IPAddress.TryParse(Host, out IPAddress? address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <summary>Parses <c>host</c> or <c>host:port</c>.</summary>
    /// <exception cref="FormatException">The text is neither.</exception>
    public static HostPort Parse(string text)
        => TryParse(text, out HostPort result) ? result : throw new FormatException($"'{text}' is neither host nor host:port.");

    /// <summary>Parses <c>host</c> or <c>host:port</c>; false where the text is neither.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out HostPort result)
    {
        result = default;
        if (string.IsNullOrEmpty(text))
            return false;

        // The colon before a port is the last one, unless it is one of an IPv6 address.
        int colon = text.LastIndexOf(':');
        bool hasPort = colon >= 0 && colon > text.LastIndexOf(']') && (text[0] == '[' || text.IndexOf(':') == colon);
        string host = hasPort ? text[..colon] : text;
        int? port = null;
        if (hasPort)
        {
            if (!ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort number))
                return false;
            port = number;
        }

        bool bracketed = host is ['[', .., ']'];
        if (bracketed)
            host = host[1..^1];
        UriHostNameType kind = Uri.CheckHostName(host);
        if (kind == UriHostNameType.Unknown || (bracketed && kind != UriHostNameType.IPv6))
            return false;

        result = new(host, port);
        return true;
    }

    /// <summary>The address that the host stands for on this machine, to listen on; of several, one that IPv4 reaches.</summary>
    /// <exception cref="IOException">The name has no address.</exception>
    public IPAddress FindAddress()
    {
        if (IPAddress.TryParse(Host, out IPAddress? address))
            return address;
        try
        {
            IPAddress[] addresses = Dns.GetHostAddresses(Host);
            return addresses.FirstOrDefault(one => one.AddressFamily == AddressFamily.InterNetwork) ?? addresses[0];
        }
        catch (SocketException e)
        {
            throw new IOException($"Cannot find an address of '{Host}': {e.Message}", e);
        }
    }

    /// <summary>The text that <see cref="Parse"/> reads back.</summary>
    public override string ToString()
    {
        string host = Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;
        return Port is { } port ? string.Create(CultureInfo.InvariantCulture, $"{host}:{port}") : host;
    }
}
