using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Grammars;

/// <summary>
/// Which tokens may be sampled, in as few bytes as possible. The first byte is the form. 0: a bit for each token, the lowest of each byte
/// first. 1: lengths of runs, by turns of tokens that are forbidden and that are allowed, in groups of seven bits with the lowest first,
/// each but the last with the high bit set. What lies behind the end is forbidden. Words are little-endian, as on every machine that .NET runs
/// a silo on.
/// </summary>
public static class TokenMask
{
    private const byte Bits = 0;
    private const byte Runs = 1;

    /// <summary>Most bytes that a mask can have.</summary>
    /// <param name="vocabSize">Ids of the vocabulary.</param>
    public static int MostBytes(int vocabSize) => 1 + ((vocabSize + 7) / 8);

    /// <summary>Writes a mask of some tokens.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="vocabSize">Ids of the vocabulary.</param>
    public static byte[] Of(IEnumerable<int> tokens, int vocabSize)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ulong[] allowed = new ulong[(vocabSize + 63) / 64];
        foreach (int token in tokens) allowed[token >> 6] |= 1UL << (token & 63);
        return Write(allowed, vocabSize);
    }

    /// <summary>Writes a mask of what two allow.</summary>
    /// <param name="one">A mask.</param>
    /// <param name="other">Another.</param>
    /// <param name="vocabSize">Ids of the vocabulary.</param>
    public static byte[] Both(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other, int vocabSize)
    {
        ulong[] allowed = new ulong[(vocabSize + 63) / 64];
        ulong[] others = new ulong[allowed.Length];
        Read(one, allowed);
        Read(other, others);
        for (int i = 0; i < allowed.Length; i++) allowed[i] &= others[i];
        return Write(allowed, vocabSize);
    }

    /// <summary>Writes a mask.</summary>
    /// <param name="allowed">A bit for each token.</param>
    /// <param name="vocabSize">Ids of the vocabulary.</param>
    internal static byte[] Write(ReadOnlySpan<ulong> allowed, int vocabSize)
    {
        byte[] bytes = new byte[MostBytes(vocabSize)];
        if (CountChanges(allowed) < bytes.Length && TryWriteRuns(allowed, vocabSize, bytes, out int length)) return bytes[..length];
        bytes[0] = Bits;
        MemoryMarshal.AsBytes(allowed)[..(bytes.Length - 1)].CopyTo(bytes.AsSpan(1));
        return bytes;
    }

    /// <summary>Whether a mask allows no token at all.</summary>
    /// <param name="mask">The mask, as it was written.</param>
    public static bool IsEmpty(ReadOnlySpan<byte> mask) => mask.Length == 1 && mask[0] == Runs;

    /// <summary>What is wrong with the bytes of a mask; null when nothing is.</summary>
    /// <param name="mask">The mask.</param>
    /// <param name="vocabSize">Ids of the vocabulary.</param>
    public static string? FindFault(ReadOnlySpan<byte> mask, int vocabSize)
    {
        if (mask.IsEmpty) return "has no bytes";
        if (mask[0] == Bits)
            return mask.Length <= MostBytes(vocabSize) ? null : $"has {mask.Length} bytes; expected at most {MostBytes(vocabSize)}";
        if (mask[0] != Runs) return $"has the form {mask[0]}; expected {Bits} or {Runs}";
        long covered = 0;
        for (int at = 1; at < mask.Length;)
        {
            // Most runs have one byte.
            if (at + Vector256<byte>.Count <= mask.Length && Vector256.Create(mask[at..]) is var runs && runs.ExtractMostSignificantBits() == 0)
            {
                (Vector256<ushort> low, Vector256<ushort> high) = Vector256.Widen(runs);
                covered += Vector256.Sum(low + high);
                at += Vector256<byte>.Count;
                continue;
            }

            if (!TryReadRun(mask, ref at, out int run)) return "ends within a run";
            covered += run;
        }

        return covered <= vocabSize ? null : $"is about {covered} tokens; expected at most {vocabSize}";
    }

    /// <summary>Reads a mask that has no fault.</summary>
    /// <param name="mask">The mask.</param>
    /// <param name="allowed">Gets a bit for each token that is allowed; must be cleared.</param>
    public static void Read(ReadOnlySpan<byte> mask, Span<ulong> allowed)
    {
        if (mask[0] == Bits)
        {
            mask[1..].CopyTo(MemoryMarshal.AsBytes(allowed));
            return;
        }

        int token = 0;
        bool allows = false;
        for (int at = 1; at < mask.Length; allows = !allows)
        {
            TryReadRun(mask, ref at, out int run);
            if (allows) SetRun(allowed, token, token + run);
            token += run;
        }
    }

    /// <summary>How often a token is allowed and the one before it is not, or the other way round: each begins a run, of a byte at least.</summary>
    private static int CountChanges(ReadOnlySpan<ulong> allowed)
    {
        int changes = 0;
        ulong last = 0;
        foreach (ulong word in allowed)
        {
            changes += BitOperations.PopCount(word ^ ((word << 1) | last));
            last = word >> 63;
        }

        return changes;
    }

    private static void SetRun(Span<ulong> bits, int first, int end)
    {
        if (first == end) return;
        int word = first >> 6;
        int last = (end - 1) >> 6;
        ulong head = ulong.MaxValue << (first & 63);
        ulong tail = ulong.MaxValue >> (63 - ((end - 1) & 63));
        if (word == last)
        {
            bits[word] |= head & tail;
            return;
        }

        bits[word] |= head;
        bits[(word + 1)..last].Fill(ulong.MaxValue);
        bits[last] |= tail;
    }

    private static bool TryWriteRuns(ReadOnlySpan<ulong> allowed, int vocabSize, Span<byte> bytes, out int length)
    {
        bytes[0] = Runs;
        length = 1;
        bool allows = false;
        for (int token = 0; token < vocabSize; allows = !allows)
        {
            int end = NextChange(allowed, token, vocabSize, allows);
            if (end == vocabSize && !allows) return true;
            for (uint run = (uint)(end - token); ; run >>= 7)
            {
                if (length == bytes.Length) return false;
                bytes[length++] = (byte)(run < 0x80 ? run : run | 0x80);
                if (run < 0x80) break;
            }

            token = end;
        }

        return true;
    }

    private static int NextChange(ReadOnlySpan<ulong> bits, int token, int end, bool current)
    {
        ulong flip = current ? ulong.MaxValue : 0;
        while (token < end)
        {
            ulong changed = (bits[token >> 6] ^ flip) >> (token & 63);
            if (changed != 0) return Math.Min(end, token + BitOperations.TrailingZeroCount(changed));
            token = (token | 63) + 1;
        }

        return end;
    }

    private static bool TryReadRun(ReadOnlySpan<byte> mask, ref int at, out int run)
    {
        run = 0;
        for (int shift = 0; shift < 28 && at < mask.Length; shift += 7)
        {
            byte part = mask[at++];
            run |= (part & 0x7F) << shift;
            if (part < 0x80) return true;
        }

        return false;
    }
}
