using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Grains.Answers;

namespace Llama.Gateway.Api.Retries;

/// <summary>
/// The <c>Idempotency-Key</c> of a request (draft-ietf-httpapi-idempotency-key-header): the client's word that requests with the same key are
/// the same request, sent again.
/// </summary>
/// <param name="Client">Whose key it is.</param>
/// <param name="Key">The key as it was sent.</param>
/// <param name="Request">A hash of path and body, by which another request under the same key is known.</param>
internal sealed record RetryKey(string Client, string Key, string Request)
{
    private const string Header = "Idempotency-Key";
    private const int MaxLength = 255;

    /// <summary>What the answer is found by.</summary>
    public (string Client, string Key) Name => (Client, Key);

    /// <summary>What silos call the record of the answer.</summary>
    public string RecordName => AnswerRecord.NameOf(Client, Key);

    /// <summary>
    /// The seed of a request that has none: a function of the key, so that a gateway that has never seen the key generates the same text.
    /// </summary>
    public long Seed => BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(Key))) & (GenerationPlanner.RandomSeeds - 1);

    /// <summary>The key of a request, or null.</summary>
    /// <param name="context">The request.</param>
    /// <param name="fields">Its body.</param>
    /// <param name="client">Who asks.</param>
    /// <exception cref="ApiException">There are several, or it is empty or too long.</exception>
    public static RetryKey? Of(HttpContext context, JsonFields fields, string client)
    {
        if (!context.Request.Headers.TryGetValue(Header, out var values)) return null;
        var key = values.ToString();
        if (values.Count != 1 || key.Length is 0 or > MaxLength)
        {
            throw ApiException.Invalid(
                param: null, $"{Header} must be one key of 1 to {MaxLength} characters; found {values.Count} of {key.Length} characters.");
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{context.Request.Path}\n"));
        hash.AppendData(fields.Bytes);
        return new RetryKey(client, key, Convert.ToHexString(hash.GetHashAndReset()));
    }
}
