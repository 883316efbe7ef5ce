using System.Security.Cryptography;
using System.Text;
using Llama.Model.Checkpoints;

namespace Llama.Grains.Links;

/// <summary>
/// The handshake of every link: version, model, weights and numeric types must agree, and both sides prove that they hold the cluster key by a
/// keyed hash (HMAC-SHA256, RFC 2104) over the hellos of both sides, random numbers of both sides among them, so nothing can be replayed.
/// The key never crosses the link.
/// </summary>
public static class Handshake
{
    private const int NonceBytes = 32;

    /// <summary>Longest first message: its sender has proved nothing yet.</summary>
    internal const int MaxBytes = 4096;

    /// <summary>Time that a handshake may take as a whole.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <summary>Greets as the side that dialled.</summary>
    /// <returns>The listener's name.</returns>
    /// <exception cref="LinkException">The other side refused or could not prove itself; the message says why.</exception>
    public static async Task<string> DialAsync(Stream stream, LinkIdentity self, LinkTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(self);
        var hello = new Hello(
            LinkIdentity.ProtocolVersion, self.Name, self.Fingerprint, self.ContextLength, self.Weights, $"{self.KvType}", Nonce(), target,
            self.LayerDigests);
        await Frames.SendJsonAsync(stream, FrameKind.Hello, hello, cancellationToken).ConfigureAwait(false);
        Welcome welcome = await Frames.ReadJsonAsync<Welcome>(stream, FrameKind.Welcome, cancellationToken).ConfigureAwait(false);
        if (!Proves(welcome.Proof, self.Key, "listener", hello, welcome.Name, welcome.Nonce))
            throw new LinkException($"'{welcome.Name}' did not prove that it has this cluster's key.");
        var proof = new DiallerProof(Prove(self.Key, "dialler", hello, welcome.Name, welcome.Nonce));
        await Frames.SendJsonAsync(stream, FrameKind.Proof, proof, cancellationToken).ConfigureAwait(false);
        (FrameKind kind, byte[] payload) = await Frames.ReadAsync(stream, Frames.MaxControlBytes, cancellationToken).ConfigureAwait(false);
        Frames.Expect(kind, FrameKind.Accepted, payload);
        return welcome.Name;
    }

    /// <summary>
    /// Greets as the side that was dialled, up to the dialler's proof; the caller then accepts or refuses what the link is for.
    /// </summary>
    /// <returns>The dialler's name and what it wants.</returns>
    /// <exception cref="LinkException">The other side is of another version, model or cluster; it has been told.</exception>
    public static async Task<(string Name, LinkTarget Target)> AnswerAsync(
        Stream stream, LinkIdentity self, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(self);
        Hello hello = await Frames.ReadJsonAsync<Hello>(stream, FrameKind.Hello, MaxBytes, cancellationToken).ConfigureAwait(false);
        string? fault = Fault(hello, self);
        if (fault is null)
        {
            string nonce = Nonce();
            string proof = Prove(self.Key, "listener", hello, self.Name, nonce);
            await Frames.SendJsonAsync(
                stream, FrameKind.Welcome, new Welcome(self.Name, nonce, proof), cancellationToken).ConfigureAwait(false);
            DiallerProof answer;
            try
            {
                answer = await Frames.ReadJsonAsync<DiallerProof>(stream, FrameKind.Proof, MaxBytes, cancellationToken).ConfigureAwait(false);
            }
            catch (EndOfStreamException)
            {
                throw new LinkException($"'{hello.Name}' closed the link when it had seen this side's proof: it may have another key.");
            }

            if (Proves(answer.Proof, self.Key, "dialler", hello, self.Name, nonce)) return (hello.Name, hello.Target);
            fault = $"'{hello.Name}' did not prove that it has the key of this cluster.";
        }

        await RefuseAsync(stream, fault, cancellationToken).ConfigureAwait(false);
        throw new LinkException(fault);
    }

    /// <summary>Completes an answered handshake.</summary>
    public static ValueTask AcceptAsync(Stream stream, CancellationToken cancellationToken) =>
        Frames.SendAsync(stream, FrameKind.Accepted, ReadOnlyMemory<byte>.Empty, cancellationToken);

    /// <summary>Ends a handshake with a reason.</summary>
    public static ValueTask RefuseAsync(Stream stream, string reason, CancellationToken cancellationToken) =>
        Frames.SendAsync(stream, FrameKind.Refused, Encoding.UTF8.GetBytes(reason), cancellationToken);

    private static string? Fault(Hello hello, LinkIdentity self)
    {
        if (hello.Version != LinkIdentity.ProtocolVersion)
            return $"'{hello.Name}' speaks version {hello.Version} of the protocol; expected {LinkIdentity.ProtocolVersion}.";
        if (hello.Name.Length == 0 || hello.Nonce.Length != NonceBytes * 2 || !Enum.IsDefined(hello.Target.Purpose))
            return "The hello lacks a name, a random number or a purpose.";
        string[] differences = [.. Differences(hello, self)];
        return differences.Length == 0 ? null : $"'{hello.Name}' has {string.Join(", and ", differences)}.";
    }

    private static IEnumerable<string> Differences(Hello hello, LinkIdentity self)
    {
        if (hello.Fingerprint != self.Fingerprint)
            yield return $"another model, or another --rope-factor: fingerprint {hello.Fingerprint}; expected {self.Fingerprint}";
        if (hello.ContextLength != self.ContextLength)
            yield return $"another --context: {hello.ContextLength} tokens; expected {self.ContextLength}";
        if (hello.Weights is not null && self.Weights is not null && hello.Weights != self.Weights)
            yield return $"other weights, or another --weights: {hello.Weights}; expected {self.Weights}";
        else if (WeightDigests.FirstDifference(hello.LayerDigests, self.LayerDigests) is { } layer)
            yield return $"other weights of the same shape, from layer {layer} on: a fine-tune of this model, or what it was made from";
        if (hello.KvType != $"{self.KvType}") yield return $"another --kv-type: {hello.KvType}; expected {self.KvType}";
    }

    private static string Nonce() => Convert.ToHexString(RandomNumberGenerator.GetBytes(NonceBytes));

    private static string Prove(ReadOnlyMemory<byte> key, string side, Hello hello, string listener, string nonce)
    {
        string text = string.Join(
            '\n', side, hello.Version, hello.Name, hello.Fingerprint, hello.ContextLength, hello.Weights, hello.KvType, hello.LayerDigests,
            hello.Nonce, hello.Target.Purpose, hello.Target.Epoch, listener, nonce);
        return Convert.ToHexString(HMACSHA256.HashData(key.Span, Encoding.UTF8.GetBytes(text)));
    }

    private static bool Proves(string proof, ReadOnlyMemory<byte> key, string side, Hello hello, string listener, string nonce) =>
        CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(proof), Encoding.UTF8.GetBytes(Prove(key, side, hello, listener, nonce)));

    private sealed record Hello(
        int Version, string Name, string Fingerprint, int ContextLength, string? Weights, string KvType, string Nonce, LinkTarget Target,
        string LayerDigests = "");

    private sealed record Welcome(string Name, string Nonce, string Proof);

    private sealed record DiallerProof(string Proof);
}
