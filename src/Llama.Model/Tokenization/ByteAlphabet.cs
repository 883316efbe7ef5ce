namespace Llama.Model.Tokenization;

/// <summary>
/// The characters that byte-level <c>tokenizer.json</c> files write for bytes (GPT-2's <c>bytes_to_unicode</c>, A. Radford et al., 2019):
/// printable Latin-1 stands for itself, the other bytes for the characters from U+0100 on.
/// </summary>
internal static class ByteAlphabet
{
    private const char NoByte = '\u0100';

    // Characters that stand for a byte, by the byte; and bytes by the character.
    private static readonly char[] CharacterOf = Build();
    private static readonly char[] ByteOf = Invert(CharacterOf);

    /// <summary>A token's bytes, one a character below U+0100, or null when a character of it stands for none.</summary>
    public static string? ToBytes(string token)
    {
        Span<char> bytes = token.Length <= Vocabulary.MaxTokenLength ? stackalloc char[token.Length] : new char[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            bytes[i] = token[i] < ByteOf.Length ? ByteOf[token[i]] : NoByte;
            if (bytes[i] == NoByte) return null;
        }
        return new string(bytes);
    }

    /// <summary>How bytes, one a character below U+0100, are written.</summary>
    public static string OfBytes(string bytes) => string.Concat(bytes.Select(value => CharacterOf[value]));

    private static char[] Build()
    {
        char[] characterOf = new char[256];
        char next = '\u0100';
        for (int value = 0; value < characterOf.Length; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= '\u00A1' and <= '\u00AC') or >= '\u00AE';
            characterOf[value] = printable ? (char)value : next++;
        }

        return characterOf;
    }

    private static char[] Invert(char[] characterOf)
    {
        char[] byteOf = new char[characterOf.Max() + 1];
        Array.Fill(byteOf, NoByte);
        for (int value = 0; value < characterOf.Length; value++) byteOf[characterOf[value]] = (char)value;
        return byteOf;
    }
}
