using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Llama.Grains.Links;

/// <summary>The other side of a link.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Version">The version of the protocol that the link speaks.</param>
/// <param name="Features">What both sides understand beyond it.</param>
public sealed record LinkPeer(string Name, int Version, IReadOnlyList<string> Features);

/// <summary>
/// The handshake of every link. Both sides tell which versions of the protocol they speak, and the highest that both do is used; models must
/// agree. Both prove that they hold the cluster key, by a keyed hash (HMAC-SHA256, RFC 2104) over the bytes of hello and welcome, with
/// random numbers of both sides in them: nothing can be replayed, and what a later version adds to these is proved, too. The key never
/// crosses the link.
/// </summary>
public static class Handshake
{
    private const int NonceBytes = 32;

    /// <summary>Longest first message: its sender has proved nothing yet.</summary>
    internal const int MaxBytes = 1 << 14;

    /// <summary>Time that a handshake may take as a whole.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <summary>Opens a link as the side that dialled.</summary>
    /// <returns>The listener.</returns>
    /// <exception cref="LinkException">The other side refused or could not prove itself; the message says why.</exception>
    public static Task<LinkPeer> DialAsync(Stream stream, LinkIdentity self, LinkTarget target, CancellationToken cancellationToken) =>
        DialAsync(stream, self, target, RandomNumberGenerator.GetBytes(NonceBytes), cancellationToken);

    /// <summary>Opens a link as the side that was dialled, up to the dialler's proof; the caller then accepts or refuses what the link is for.</summary>
    /// <returns>The dialler and what it wants.</returns>
    /// <exception cref="LinkException">The other side is of another version, model or cluster; it has been told.</exception>
    public static Task<(LinkPeer Peer, LinkTarget Target)> AnswerAsync(
        Stream stream, LinkIdentity self, CancellationToken cancellationToken) =>
        AnswerAsync(stream, self, RandomNumberGenerator.GetBytes(NonceBytes), cancellationToken);

    /// <summary>Completes an answered handshake.</summary>
    public static ValueTask AcceptAsync(Stream stream, CancellationToken cancellationToken) =>
        Frames.SendAsync(stream, FrameKind.Accepted, ReadOnlyMemory<byte>.Empty, cancellationToken);

    /// <summary>Ends a handshake with a reason.</summary>
    public static ValueTask RefuseAsync(Stream stream, string reason, CancellationToken cancellationToken) =>
        Frames.SendAsync(stream, FrameKind.Refused, Encoding.UTF8.GetBytes(reason), cancellationToken);

    /// <inheritdoc cref="DialAsync(Stream, LinkIdentity, LinkTarget, CancellationToken)"/>
    /// <param name="stream">The connection.</param>
    /// <param name="self">This process.</param>
    /// <param name="target">What the link is for.</param>
    /// <param name="nonce">This side's random number.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal static async Task<LinkPeer> DialAsync(
        Stream stream, LinkIdentity self, LinkTarget target, byte[] nonce, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(self);
        (int oldest, int newest) = LinkProtocol.Versions;
        byte[] hello = Frames.Encode(new Hello(
            oldest, newest, LinkProtocol.Features, self.Name, Convert.ToHexString(nonce), self.Model.Told, target));
        await Frames.SendAsync(stream, FrameKind.Hello, hello, cancellationToken).ConfigureAwait(false);
        byte[] encoded = await ReadAsync(stream, FrameKind.Welcome, Frames.MaxControlBytes, cancellationToken).ConfigureAwait(false);
        Welcome welcome = Frames.Parse<Welcome>(FrameKind.Welcome, encoded);
        byte[] proof = await ReadAsync(stream, FrameKind.Proof, MaxBytes, cancellationToken).ConfigureAwait(false);
        if (!Proves(proof, self, "listener", hello, encoded))
            throw new LinkException($"'{welcome.Name}' did not prove that it has this cluster's key.");
        if (welcome.Version < oldest || welcome.Version > newest)
            throw new LinkException($"'{welcome.Name}' chose version {welcome.Version} of the link protocol; expected {LinkProtocol.Versions}.");
        await Frames.SendAsync(stream, FrameKind.Proof, Prove(self, "dialler", hello, encoded), cancellationToken).ConfigureAwait(false);
        await ReadAsync(stream, FrameKind.Accepted, Frames.MaxControlBytes, cancellationToken).ConfigureAwait(false);
        return Peer(welcome.Name, welcome.Version, welcome.Features);
    }

    /// <inheritdoc cref="AnswerAsync(Stream, LinkIdentity, CancellationToken)"/>
    /// <param name="stream">The connection.</param>
    /// <param name="self">This process.</param>
    /// <param name="nonce">This side's random number.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal static async Task<(LinkPeer Peer, LinkTarget Target)> AnswerAsync(
        Stream stream, LinkIdentity self, byte[] nonce, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(self);
        byte[] encoded = await ReadHelloAsync(stream, cancellationToken).ConfigureAwait(false);
        int version;
        Hello hello;
        try
        {
            version = CommonVersion(encoded, self);
            hello = Frames.Parse<Hello>(FrameKind.Hello, encoded);
            Check(hello, self);
        }
        catch (LinkException e)
        {
            await RefuseAsync(stream, e.Message, cancellationToken).ConfigureAwait(false);
            throw;
        }

        byte[] welcome = Frames.Encode(new Welcome(version, LinkProtocol.Features, self.Name, Convert.ToHexString(nonce)));
        await Frames.SendAsync(stream, FrameKind.Welcome, welcome, cancellationToken).ConfigureAwait(false);
        await Frames.SendAsync(stream, FrameKind.Proof, Prove(self, "listener", encoded, welcome), cancellationToken).ConfigureAwait(false);
        byte[] proof = await ReadProofAsync(stream, hello.Name, cancellationToken).ConfigureAwait(false);
        if (Proves(proof, self, "dialler", encoded, welcome)) return (Peer(hello.Name, version, hello.Features), hello.Target);
        string fault = $"'{hello.Name}' did not prove that it has the key of this cluster.";
        await RefuseAsync(stream, fault, cancellationToken).ConfigureAwait(false);
        throw new LinkException(fault);
    }

    /// <summary>The version to speak, from a hello that may otherwise be of a version that this one cannot read.</summary>
    /// <exception cref="LinkException">There is none.</exception>
    private static int CommonVersion(byte[] hello, LinkIdentity self)
    {
        Offer offer = Frames.Parse<Offer>(FrameKind.Hello, hello);
        var versions = offer.Version is { } only ? new VersionRange(only, only) : new VersionRange(offer.Oldest, offer.Newest);
        return LinkProtocol.Versions.Common(versions) ?? throw new LinkException(
            $"'{offer.Name}' speaks version {versions} of the link protocol; '{self.Name}' speaks {LinkProtocol.Versions}.");
    }

    private static void Check(Hello hello, LinkIdentity self)
    {
        if (hello.Name.Length == 0 || hello.Nonce.Length != NonceBytes * 2 || !Enum.IsDefined(hello.Target.Purpose))
            throw new LinkException("The hello lacks a name, a random number or a purpose.");
        string[] differences = [.. self.Model.Differences(hello.Model)];
        if (differences.Length > 0) throw new LinkException($"'{hello.Name}' has {string.Join(", and ", differences)}.");
    }

    private static LinkPeer Peer(string name, int version, IReadOnlyList<string> features) =>
        new(name, version, [.. LinkProtocol.Features.Intersect(features)]);

    private static async Task<byte[]> ReadHelloAsync(Stream stream, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(stream, FrameKind.Hello, MaxBytes, cancellationToken).ConfigureAwait(false);
        }
        catch (LinkException e)
        {
            throw new LinkException($"No hello came: {e.Message} The other side may be none of a cluster, or use TLS where this one does not (--tls).");
        }
    }

    private static async Task<byte[]> ReadProofAsync(Stream stream, string dialler, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(stream, FrameKind.Proof, MaxBytes, cancellationToken).ConfigureAwait(false);
        }
        catch (EndOfStreamException)
        {
            throw new LinkException($"'{dialler}' closed the link when it had seen this side's proof: it may have another key.");
        }
    }

    private static async Task<byte[]> ReadAsync(Stream stream, FrameKind expected, int maxBytes, CancellationToken cancellationToken)
    {
        (FrameKind kind, byte[] payload) = await Frames.ReadAsync(stream, maxBytes, cancellationToken).ConfigureAwait(false);
        Frames.Expect(kind, expected, payload);
        return payload;
    }

    private static byte[] Prove(LinkIdentity self, string side, byte[] hello, byte[] welcome)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, self.Credentials.Key.Span);
        hash.AppendData(Encoding.ASCII.GetBytes($"llama link {side}"));
        Span<byte> length = stackalloc byte[sizeof(int)];
        foreach (byte[] message in (ReadOnlySpan<byte[]>)[hello, welcome])
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, message.Length);
            hash.AppendData(length);
            hash.AppendData(message);
        }

        return hash.GetHashAndReset();
    }

    private static bool Proves(byte[] proof, LinkIdentity self, string side, byte[] hello, byte[] welcome) =>
        CryptographicOperations.FixedTimeEquals(proof, Prove(self, side, hello, welcome));

    /// <summary>What of a hello stays the same for ever. Versions before 9 told one, and no range.</summary>
    private sealed record Offer(string Name = "", int Oldest = 0, int Newest = 0, int? Version = null);

    private sealed record Hello(
        int Oldest, int Newest, IReadOnlyList<string> Features, string Name, string Nonce, ToldModel Model, LinkTarget Target);

    private sealed record Welcome(int Version, IReadOnlyList<string> Features, string Name, string Nonce);
}
