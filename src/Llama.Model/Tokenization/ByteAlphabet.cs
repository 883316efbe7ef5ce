namespace Llama.Model.Tokenization;

/// <summary>
/// The characters that byte-level <c>tokenizer.json</c> files write for bytes (GPT-2's <c>bytes_to_unicode</c>, A. Radford et al., 2019):
/// printable Latin-1 stands for itself, the other bytes for the characters from U+0100 on.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly Dictionary<char, char> ByteOf = Build();
    private static readonly Dictionary<char, char> CharacterOf = ByteOf.ToDictionary(pair => pair.Value, pair => pair.Key);

    /// <summary>A token's bytes, one a character below U+0100, or null when a character of it stands for none.</summary>
    public static string? ToBytes(string token)
    {
        Span<char> bytes = token.Length <= Vocabulary.MaxTokenLength ? stackalloc char[token.Length] : new char[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            if (!ByteOf.TryGetValue(token[i], out bytes[i])) return null;
        }
        return new string(bytes);
    }

    /// <summary>How bytes, one a character below U+0100, are written.</summary>
    public static string OfBytes(string bytes) => string.Concat(bytes.Select(value => CharacterOf[value]));

    private static Dictionary<char, char> Build()
    {
        var byteOf = new Dictionary<char, char>();
        char next = '\u0100';
        for (char value = '\0'; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= '\u00A1' and <= '\u00AC') or >= '\u00AE';
            byteOf.Add(printable ? value : next++, value);
        }
        return byteOf;
    }
}
