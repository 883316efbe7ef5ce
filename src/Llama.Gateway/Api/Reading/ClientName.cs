using System.Security.Cryptography;
using System.Text;

namespace Llama.Gateway.Api.Reading;

/// <summary>Tells clients apart, so that none takes the others' share.</summary>
internal static class ClientName
{
    /// <summary>A name for the sender of a request: made of its API key, of which only a hash is kept, or else of its address.</summary>
    /// <param name="context">The request.</param>
    public static string Of(HttpContext context)
    {
        var key = context.Request.Headers.Authorization.ToString();
        return key.Length > 0
            ? $"key {Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)), 0, 16)}"
            : $"address {context.Connection.RemoteIpAddress}";
    }
}
