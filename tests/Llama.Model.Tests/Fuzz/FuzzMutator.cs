using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;

namespace Llama.Model.Tests.Fuzz;

/// <summary>Damages files: bytes and numbers for formats of bytes, and words for formats of text.</summary>
internal sealed partial class FuzzMutator
{
    private const int MostBytes = 1 << 20;

    private static readonly long[] Numbers =
        [0, 1, -1, 2, 7, 127, 128, 255, 256, 32_767, 65_535, 65_536, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, 1L << 62];

    private static readonly string[] Words =
    [
        "null", "true", "false", "-1", "0", "1e999", "0.5", "18446744073709551616", "2147483648", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "\ufffd", "\u2581", "\U0001f999",
        "[", "]", "{", "}", "[]", "{}", ",", ":", "{%", "%}", "{{", "}}", "{#", "#}", "{%-", "-%}", "(", ")", "|", "~", "*", "**", "//", "%", "'", "\"", "\\", "\n",
        " in ", " is ", " not ", " if ", " else ", "range(1000000000)", "loop", "namespace(", "x[::-1]", ".format(", "*1000000", "**9999", "-9223372036854775808", "<s>",
    ];

    private readonly IReadOnlyList<byte[]> seeds;
    private readonly byte[][] words;
    private readonly bool isText;

    /// <summary>A mutator of files like some.</summary>
    /// <param name="seeds">The files; those of text are all text.</param>
    public FuzzMutator(IReadOnlyList<byte[]> seeds)
    {
        this.seeds = seeds;
        isText = !seeds.Any(seed => seed.Contains((byte)0));
        IEnumerable<string> found = isText ? seeds.SelectMany(seed => Word().Matches(Encoding.UTF8.GetString(seed)).Select(match => match.Value)) : [];
        words = [.. found.Concat(Words).Distinct().Select(Encoding.UTF8.GetBytes)];
    }

    /// <summary>Another file like the seeds.</summary>
    /// <param name="random">Decides.</param>
    public byte[] Mutate(Random random)
    {
        byte[] bytes = seeds[random.Next(seeds.Count)];
        for (int count = 1 + (int)(8 * Math.Pow(random.NextDouble(), 2)); count > 0; count--) bytes = isText && random.Next(4) > 0 ? ByWords(bytes, random) : ByBytes(bytes, random);
        return bytes.Length <= MostBytes ? bytes : bytes[..MostBytes];
    }

    private byte[] ByWords(byte[] bytes, Random random)
    {
        int at = Place(bytes.Length, random);
        ReadOnlySpan<byte> word = words[random.Next(words.Length)];
        return random.Next(6) switch
        {
            0 => Replace(bytes, at, 0, word),
            1 => Replace(bytes, at, Math.Min(word.Length, bytes.Length - at), word),
            2 => Replace(bytes, at, 0, Repeated(word, random.Next(1, random.Next(10) == 0 ? 20_000 : 20))),
            3 => ReplaceWord(bytes, random, word),
            4 => ReplaceWord(bytes, random, []),
            _ => Move(bytes, random),
        };
    }

    private byte[] ByBytes(byte[] bytes, Random random)
    {
        int at = Place(bytes.Length, random);
        if (bytes.Length == 0) return [(byte)random.Next(256)];
        byte[] changed = (byte[])bytes.Clone();
        switch (random.Next(8))
        {
            case 0:
                changed[at] = (byte)random.Next(256);
                return changed;
            case 1:
                changed[at] ^= (byte)(1 << random.Next(8));
                return changed;
            case 2:
            case 3:
                Span<byte> number = stackalloc byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(number, random.Next(4) == 0 ? random.Next(300) : Numbers[random.Next(Numbers.Length)]);
                number[..Math.Min(1 << random.Next(4), changed.Length - at)].CopyTo(changed.AsSpan(at));
                return changed;
            case 4:
                return changed[..at];
            case 5:
                return Replace(bytes, at, Math.Min(random.Next(1, 40), bytes.Length - at), []);
            case 6:
                byte[] other = seeds[random.Next(seeds.Count)];
                int from = Place(other.Length, random), length = Math.Min(random.Next(1, 400), other.Length - from);
                return Replace(bytes, at, random.Next(2) * Math.Min(length, bytes.Length - at), other.AsSpan(from, length));
            default:
                return Move(bytes, random);
        }
    }

    private static byte[] ReplaceWord(byte[] bytes, Random random, ReadOnlySpan<byte> word)
    {
        // Of a long file only a part is searched for words.
        int from = Place(bytes.Length, random);
        string text = Encoding.Latin1.GetString(bytes.AsSpan(from, Math.Min(200, bytes.Length - from)));
        MatchCollection matches = Word().Matches(text);
        if (matches.Count == 0) return bytes;
        Match match = matches[random.Next(matches.Count)];
        return Replace(bytes, from + match.Index, match.Length, word);
    }

    private static byte[] Move(byte[] bytes, Random random)
    {
        int from = Place(bytes.Length, random), length = Math.Min(random.Next(1, 100), bytes.Length - from), to = Place(bytes.Length, random);
        return Replace(bytes, to, random.Next(2) * Math.Min(length, bytes.Length - to), bytes.AsSpan(from, length));
    }

    // The structure of most files lies at their ends.
    private static int Place(int length, Random random)
    {
        if (length == 0) return 0;
        int distance = Math.Min(length - 1, (int)(length * Math.Pow(random.NextDouble(), 4)));
        return random.Next(3) switch { 0 => random.Next(length), 1 => length - 1 - distance, _ => distance };
    }

    private static byte[] Repeated(ReadOnlySpan<byte> word, int count)
    {
        byte[] all = new byte[word.Length * count];
        for (int i = 0; i < count; i++) word.CopyTo(all.AsSpan(i * word.Length));
        return all;
    }

    private static byte[] Replace(byte[] bytes, int at, int length, ReadOnlySpan<byte> by) =>
        [.. bytes.AsSpan(0, at), .. by, .. bytes.AsSpan(at + length)];

    [GeneratedRegex(@"\w+|\s+|[^\w\s]")]
    private static partial Regex Word();
}
