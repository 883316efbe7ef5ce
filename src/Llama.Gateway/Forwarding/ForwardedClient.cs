using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Llama.Gateway.Forwarding;

/// <summary>
/// Tells the owner of the pipelines on whose behalf another gateway asks, so that clients keep their own shares: the client's address, with
/// a keyed hash (HMAC-SHA256, RFC 2104) that only a process with the cluster's key can make.
/// </summary>
internal static class ForwardedClient
{
    /// <summary>The header: an address, a space, the hash in hexadecimal digits.</summary>
    public const string Header = "Llama-Forwarded-For";

    /// <summary>Adds the header to a request.</summary>
    public static void Add(HttpRequestMessage request, HttpContext client, ReadOnlySpan<byte> key)
    {
        string address = $"{client.Connection.RemoteIpAddress}";
        request.Headers.Add(Header, $"{address} {Prove(address, key)}");
    }

    /// <summary>Gives a forwarded request the address of its client, if the header proves it.</summary>
    /// <returns>Whether the request says that it was forwarded.</returns>
    public static bool Restore(HttpContext context, ReadOnlySpan<byte> key)
    {
        if (!context.Request.Headers.TryGetValue(Header, out var header)) return false;
        string[] parts = header.ToString().Split(' ');
        if (parts.Length == 2 && IPAddress.TryParse(parts[0], out IPAddress? address)
            && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Prove(parts[0], key)), Encoding.ASCII.GetBytes(parts[1])))
            context.Connection.RemoteIpAddress = address;
        return true;
    }

    private static string Prove(string address, ReadOnlySpan<byte> key) =>
        Convert.ToHexString(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{Header} {address}")));
}
