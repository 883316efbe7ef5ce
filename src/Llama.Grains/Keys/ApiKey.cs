using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace Llama.Grains.Keys;

/// <summary>What is kept of a key of the API, and what its holder may do. The key itself is kept nowhere.</summary>
public sealed record ApiKey
{
    private const string Prefix = "sk-llama-";
    private const int SecretBytes = 32;

    /// <summary>What the key is called in logs and commands.</summary>
    public required string Id { get; init; }

    /// <summary>Whose it is, for those who read the file.</summary>
    public required string Name { get; init; }

    /// <summary>SHA-256 of the key, hexadecimal. A key has 256 random bits, so nobody finds it by trying.</summary>
    public required string Sha256 { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>Requests a minute; null for no limit.</summary>
    public int? RequestsPerMinute { get; init; }

    /// <summary>Tokens a minute, of prompts and answers together; null for no limit.</summary>
    public int? TokensPerMinute { get; init; }

    /// <summary>Answers at the same time; null for no limit.</summary>
    public int? ConcurrentStreams { get; init; }

    /// <summary>The lowest <c>priority</c>, which goes first, that it may ask for; null for any.</summary>
    public int? Priority { get; init; }

    /// <summary>Makes a key.</summary>
    /// <param name="name">Whose it is.</param>
    /// <param name="now">When.</param>
    /// <param name="key">The key: whoever has it is its holder.</param>
    public static ApiKey Create(string name, DateTimeOffset now, out string key)
    {
        key = Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(SecretBytes)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        string hash = HashOf(key);
        return new ApiKey { Id = hash[..12], Name = name, Sha256 = hash, Created = now };
    }

    /// <summary>What a key is known by.</summary>
    /// <param name="key">The key.</param>
    public static string HashOf(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    /// <summary>What is wrong with it, in a sentence; null when nothing is.</summary>
    internal string? FindFault() =>
        string.IsNullOrEmpty(Id) ? "A key has no id."
        : Sha256 is not { Length: 64 } || !Sha256.All(char.IsAsciiHexDigitLower) ? $"Key {Id} has no SHA-256 of 64 hexadecimal digits."
        : RequestsPerMinute < 1 || TokensPerMinute < 1 || ConcurrentStreams < 1 ? $"Key {Id} has a limit below 1; leave it out for none."
        : null;
}

/// <summary>The file's contents.</summary>
/// <param name="Keys">The keys.</param>
internal sealed record ApiKeyList(IReadOnlyList<ApiKey> Keys);

/// <summary>How the file is written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ApiKeyList))]
internal sealed partial class ApiKeyJson : JsonSerializerContext;
