using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Llama.Grains.Membership.Http;

/// <summary>
/// Nonces that a server hands out to anybody and takes back once. A nonce carries its time and the server's seal, so those that are handed
/// out take no memory; only used ones are remembered, and only a member can use one.
/// </summary>
internal sealed class Nonces(TimeProvider time)
{
    /// <summary>How long a nonce can be used.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    /// <summary>Used ones that are remembered: those of more than 2,000 requests a second.</summary>
    private const int MaxUsed = 1 << 16;

    private const int TimeBytes = 8;
    private const int RandomBytes = 8;
    private const int PlainBytes = TimeBytes + RandomBytes;
    private const int SealBytes = 16;

    private readonly byte[] secret = RandomNumberGenerator.GetBytes(32);
    private readonly Lock gate = new();
    private readonly HashSet<string> used = [];
    private readonly Queue<(string Nonce, long Time)> oldest = [];

    /// <summary>Makes a nonce.</summary>
    public string Make()
    {
        Span<byte> nonce = stackalloc byte[PlainBytes + SealBytes];
        BinaryPrimitives.WriteInt64LittleEndian(nonce, time.GetTimestamp());
        RandomNumberGenerator.Fill(nonce[TimeBytes..PlainBytes]);
        Seal(nonce[..PlainBytes]).AsSpan(0, SealBytes).CopyTo(nonce[PlainBytes..]);
        return Convert.ToHexString(nonce);
    }

    /// <summary>Whether this server made a nonce, not long ago.</summary>
    public bool IsMine(string nonce) =>
        nonce.Length == (PlainBytes + SealBytes) * 2 && TryRead(nonce, out long made) && time.GetElapsedTime(made) <= Lifetime;

    /// <summary>Uses a nonce that is this server's.</summary>
    /// <returns>False where it was used before, or too many were.</returns>
    public bool TryUse(string nonce)
    {
        lock (gate)
        {
            while (oldest.TryPeek(out (string Nonce, long Time) first) && time.GetElapsedTime(first.Time) > Lifetime)
            {
                oldest.Dequeue();
                used.Remove(first.Nonce);
            }

            if (used.Count >= MaxUsed || !used.Add(nonce)) return false;
            oldest.Enqueue((nonce, time.GetTimestamp()));
            return true;
        }
    }

    private bool TryRead(string nonce, out long made)
    {
        Span<byte> bytes = stackalloc byte[PlainBytes + SealBytes];
        made = 0;

        // Only as it was written: a second spelling would be another nonce.
        if (Convert.FromHexString(nonce, bytes, out _, out _) != System.Buffers.OperationStatus.Done || Convert.ToHexString(bytes) != nonce)
            return false;
        made = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        return CryptographicOperations.FixedTimeEquals(Seal(bytes[..PlainBytes]).AsSpan(0, SealBytes), bytes[PlainBytes..]);
    }

    private byte[] Seal(ReadOnlySpan<byte> plain) => HMACSHA256.HashData(secret, plain);
}
