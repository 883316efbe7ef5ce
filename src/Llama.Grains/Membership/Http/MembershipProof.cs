using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Llama.Grains.Membership.Http;

/// <summary>
/// How silos and a gateway prove to each other that they have the cluster key, by keyed hashes (HMAC-SHA256, RFC 2104) that hold for one
/// request and one answer: the server's nonce makes a request new, the client's challenge an answer. The key never crosses the connection.
/// </summary>
internal static class MembershipProof
{
    /// <summary>Path of a gateway that serves the document.</summary>
    public const string Path = "/cluster/membership";

    /// <summary>Header with the nonce that the client has from the server, and in answers with the next.</summary>
    public const string Nonce = "Cluster-Nonce";

    /// <summary>Header with a random text of the client.</summary>
    public const string Challenge = "Cluster-Challenge";

    /// <summary>Header with the hash of the body.</summary>
    public const string Digest = "Cluster-Digest";

    /// <summary>Header with the name of a write.</summary>
    public const string WriteId = "Cluster-Write";

    /// <summary>Header with the proof, of requests and of answers.</summary>
    public const string Proof = "Cluster-Proof";

    private const int ChallengeBytes = 16;

    /// <summary>A random text that no other request has.</summary>
    public static string NewChallenge() => Convert.ToHexString(RandomNumberGenerator.GetBytes(ChallengeBytes));

    /// <summary>The hash of a body (SHA-256).</summary>
    public static string DigestOf(ReadOnlySpan<byte> body) => Convert.ToHexString(SHA256.HashData(body));

    /// <summary>What proves a request.</summary>
    public static string OfRequest(ReadOnlySpan<byte> key, RequestToProve request) => Of(
        key, "request", request.Method, Path, request.Revision, request.WriteId, request.Nonce, request.Challenge, request.BodyDigest);

    /// <summary>What proves an answer.</summary>
    /// <param name="key">The cluster key.</param>
    /// <param name="requestProof">That of the request, which holds the challenge.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="revision">The revision told, or an empty text.</param>
    /// <param name="bodyDigest">The hash of the body.</param>
    public static string OfAnswer(ReadOnlySpan<byte> key, string requestProof, int status, string revision, string bodyDigest) => Of(
        key, "answer", requestProof, status.ToString(CultureInfo.InvariantCulture), revision, bodyDigest);

    /// <summary>Compares two proofs, in a time that says nothing of where they differ.</summary>
    public static bool AreEqual(string? shown, string expected) =>
        shown is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(shown), Encoding.UTF8.GetBytes(expected));

    /// <summary>Headers hold no line breaks, so no two lists of parts give the same text.</summary>
    private static string Of(ReadOnlySpan<byte> key, params ReadOnlySpan<string> parts) =>
        Convert.ToHexString(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"llama membership 1\n{string.Join('\n', parts)}")));
}

/// <summary>What the proof of a request covers, besides the path.</summary>
/// <param name="Method">The HTTP method.</param>
/// <param name="Revision">The revision that is to be replaced; empty when reading.</param>
/// <param name="WriteId">The name of the write; empty when reading.</param>
/// <param name="Nonce">The server's nonce.</param>
/// <param name="Challenge">The client's challenge.</param>
/// <param name="BodyDigest">The hash of the body.</param>
internal readonly record struct RequestToProve(
    string Method, string Revision, string WriteId, string Nonce, string Challenge, string BodyDigest);
