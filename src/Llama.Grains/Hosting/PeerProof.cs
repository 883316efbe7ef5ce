using System.Security.Cryptography;

namespace Llama.Grains.Hosting;

/// <summary>What a connection to one of Orleans' ports is for. The numbers are on the wire.</summary>
internal enum PeerPurpose : byte
{
    /// <summary>From silo to silo.</summary>
    Silo = 1,

    /// <summary>From a client of the cluster, such as a front, to a silo.</summary>
    Client = 2,
}

/// <summary>
/// The handshake before Orleans' own: both sides prove that they hold the cluster key by a keyed hash (HMAC-SHA256, RFC 2104) over
/// random numbers of both, the purpose and the side, so that nothing can be replayed, sent back or used for another purpose. The key
/// never crosses the connection. Without a key the same bytes are exchanged, so that strangers are refused all the same.
/// <code>
/// dialler  → listener   hello      magic [8], version [1], purpose [1], random number [32]
/// listener → dialler    challenge  magic [8], version [1], random number [32], proof [32]
/// dialler  → listener   answer     proof [32]
/// </code>
/// The dialler offers the highest version that it speaks, and the listener takes that or the highest of its own, whichever is lower.
/// </summary>
internal static class PeerProof
{
    private const byte Version = 1;
    private const int NonceBytes = 32;
    private const int ProofBytes = HMACSHA256.HashSizeInBytes;
    private const int HelloBytes = 8 + 1 + 1 + NonceBytes;
    private const int ChallengeBytes = 8 + 1 + NonceBytes + ProofBytes;

    private static ReadOnlySpan<byte> Magic => "llamaorl"u8;

    /// <summary>Proves the key as the side that dialled.</summary>
    /// <exception cref="PeerRefusedException">The other side could not prove it, is no process of a cluster, or refused.</exception>
    /// <exception cref="IOException">The connection failed.</exception>
    public static async Task DialAsync(Stream stream, ReadOnlyMemory<byte> key, PeerPurpose purpose, CancellationToken cancellationToken)
    {
        byte[] hello = new byte[HelloBytes];
        Magic.CopyTo(hello);
        hello[8] = Version;
        hello[9] = (byte)purpose;
        RandomNumberGenerator.Fill(hello.AsSpan(10));
        await stream.WriteAsync(hello, cancellationToken).ConfigureAwait(false);

        byte[] challenge = new byte[ChallengeBytes];
        await ReadAsync(stream, challenge, cancellationToken).ConfigureAwait(false);
        if (challenge[8] != Version)
            throw new PeerRefusedException($"it chose version {challenge[8]} of the handshake; expected {Version}");
        ReadOnlyMemory<byte> nonce = challenge.AsMemory(9, NonceBytes);
        if (!CryptographicOperations.FixedTimeEquals(
                challenge.AsSpan(9 + NonceBytes), Prove(key.Span, "listener"u8, hello, challenge[8], nonce.Span)))
        {
            throw new PeerRefusedException("it did not prove that it has this cluster's key");
        }

        await stream.WriteAsync(Prove(key.Span, "dialler"u8, hello, challenge[8], nonce.Span), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Proves the key as the side that was dialled, and checks the dialler's proof. Reads not a byte more.</summary>
    /// <exception cref="PeerRefusedException">The other side is a stranger, has another key or another purpose.</exception>
    /// <exception cref="IOException">The connection failed.</exception>
    public static async Task AnswerAsync(Stream stream, ReadOnlyMemory<byte> key, PeerPurpose purpose, CancellationToken cancellationToken)
    {
        byte[] hello = new byte[HelloBytes];
        await ReadAsync(stream, hello, cancellationToken).ConfigureAwait(false);
        if (hello[8] < Version)
            throw new PeerRefusedException($"it speaks version {hello[8]} of the handshake; expected {Version} or higher");
        if (hello[9] != (byte)purpose)
            throw new PeerRefusedException($"it wants purpose {hello[9]} of a connection; this port is for {(byte)purpose} ({purpose})");

        byte[] challenge = new byte[ChallengeBytes];
        Magic.CopyTo(challenge);
        challenge[8] = Version;
        Memory<byte> nonce = challenge.AsMemory(9, NonceBytes);
        RandomNumberGenerator.Fill(nonce.Span);
        Prove(key.Span, "listener"u8, hello, Version, nonce.Span).CopyTo(challenge, 9 + NonceBytes);
        await stream.WriteAsync(challenge, cancellationToken).ConfigureAwait(false);

        byte[] answer = new byte[ProofBytes];
        try
        {
            await stream.ReadExactlyAsync(answer, cancellationToken).ConfigureAwait(false);
        }
        catch (EndOfStreamException)
        {
            throw new PeerRefusedException("it closed the connection when it had seen this side's proof: it may have another key");
        }

        if (!CryptographicOperations.FixedTimeEquals(answer, Prove(key.Span, "dialler"u8, hello, Version, nonce.Span)))
            throw new PeerRefusedException("it did not prove that it has this cluster's key");
    }

    /// <summary>Fills a message that begins with the magic, and gives up at the first byte that differs from it.</summary>
    private static async Task ReadAsync(Stream stream, byte[] message, CancellationToken cancellationToken)
    {
        for (int read = 0; read < message.Length;)
        {
            int count = await stream.ReadAsync(message.AsMemory(read), cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                throw read > 0
                    ? new PeerRefusedException("it closed the connection in the midst of the handshake")
                    : new EndOfStreamException("It closed the connection without a word.");
            }

            read += count;
            int compared = Math.Min(read, Magic.Length);
            if (!Magic[..compared].SequenceEqual(message.AsSpan(0, compared))) throw new PeerRefusedException(Describe(message.AsSpan(0, compared)));
        }
    }

    /// <summary>TLS begins with the record of a handshake (RFC 8446, section 5.1).</summary>
    private static string Describe(ReadOnlySpan<byte> first) => first is [22, 3, ..] or [22]
        ? "it speaks TLS; this process was started without --tls"
        : $"it is no process of a cluster, or was started without --tls: found {Convert.ToHexString(first)}; expected {Convert.ToHexString(Magic)}";

    private static byte[] Prove(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> side, ReadOnlySpan<byte> hello, byte chosenVersion, ReadOnlySpan<byte> nonce)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        hash.AppendData(side);
        hash.AppendData(hello);
        hash.AppendData([chosenVersion]);
        hash.AppendData(nonce);
        return hash.GetHashAndReset();
    }
}

/// <summary>A connection is not let in, or was not; the message says what is wrong with the other side.</summary>
/// <param name="message">Begins with "it": the other side.</param>
internal sealed class PeerRefusedException(string message) : IOException(message);
