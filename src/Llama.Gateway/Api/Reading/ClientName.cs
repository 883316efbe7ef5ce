using System.Security.Cryptography;
using System.Text;
using Llama.Gateway.Api.Keys;

namespace Llama.Gateway.Api.Reading;

/// <summary>Tells clients apart, so that none takes the others' share.</summary>
internal static class ClientName
{
    /// <summary>A name for the sender of a request: the id of its key, or made of what it shows as one, of which only a hash is kept, or else of its address.</summary>
    /// <param name="context">The request.</param>
    public static string Of(HttpContext context)
    {
        if (context.Features.Get<KeyHolder>() is { } holder) return $"key {holder.Key.Id}";
        var key = AccessGuard.KeyOf(context.Request) ?? context.Request.Headers.Authorization.ToString();
        return key.Length > 0
            ? $"key {Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)), 0, 16)}"
            : $"address {context.Connection.RemoteIpAddress}";
    }
}
