using System.Security.Cryptography;
using System.Text;
using Llama.Grains.Gateway;
using Llama.Grains.Text;

namespace Llama.Gateway.Api;

/// <summary>
/// OpenAI's <c>system_fingerprint</c>: a hash of what the bits of an answer depend on besides the request. These are the model (its name and its
/// configuration's fingerprint), the numeric profile that its stages compute in, and this program's version.
/// </summary>
/// <param name="source">Knows the model.</param>
/// <param name="gateway">Knows the profile.</param>
internal sealed class SystemFingerprint(IModelSource source, IGateway gateway)
{
    private const int Bytes = 6;
    private static readonly Version? Program = typeof(SystemFingerprint).Assembly.GetName().Version;
    private volatile Known? known;

    /// <summary>The fingerprint at present, like <c>fp_0123456789ab</c>.</summary>
    public string Value
    {
        get
        {
            var (shape, profile) = (source.Shape, gateway.Summary.Profile);
            if (known is { } last && ReferenceEquals(last.Shape, shape) && last.Profile == profile) return last.Value;
            var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{shape.Name}\n{shape.Fingerprint}\n{profile}\n{Program}"));
            return (known = new Known(shape, profile, $"fp_{Convert.ToHexStringLower(hash, 0, Bytes)}")).Value;
        }
    }

    private sealed record Known(ModelShape Shape, string? Profile, string Value);
}
