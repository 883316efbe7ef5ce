using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>Where a SentencePiece-like tokenizer puts a space of its own before a text.</summary>
internal enum SpacePrefix
{
    /// <summary>Nowhere.</summary>
    Never,

    /// <summary>At the start of the whole text.</summary>
    First,

    /// <summary>At the start of the text, and after every special token in it.</summary>
    Always,
}

/// <summary>How SentencePiece turns the spaces of a text into U+2581, which is what its pieces contain.</summary>
/// <param name="Prefix">Where a space is added.</param>
/// <param name="PrefixBeforeSpace">Whether one is added even before a space: SentencePiece does, Metaspace does not.</param>
/// <param name="Collapse">SentencePiece's <c>remove_extra_whitespaces</c>: runs of spaces become one, those at both ends none.</param>
internal readonly record struct SpaceRules(SpacePrefix Prefix, bool PrefixBeforeSpace, bool Collapse)
{
    /// <summary>U+2581, which stands for a space.</summary>
    public const char Mark = '\u2581';

    /// <summary>The text as pieces spell it.</summary>
    /// <param name="text">A text, or a part of it between special tokens.</param>
    /// <param name="startsText">Whether it is the start of the whole text.</param>
    public string Apply(ReadOnlySpan<char> text, bool startsText)
    {
        if (Collapse) text = text.TrimStart(' ');
        if (text.IsEmpty) return "";

        var escaped = new StringBuilder(text.Length + 1);
        bool prefixed = Prefix == SpacePrefix.Always || (Prefix == SpacePrefix.First && startsText);
        if (prefixed && (PrefixBeforeSpace || text[0] is not (' ' or Mark))) escaped.Append(Mark);

        char last = '\0';
        foreach (char character in text)
        {
            if (character != ' ')
                escaped.Append(character);
            else if (!Collapse || last != ' ')
                escaped.Append(Mark);
            last = character;
        }

        if (Collapse)
        {
            while (escaped.Length > 0 && escaped[^1] == Mark)
                escaped.Length--;
        }
        return escaped.ToString();
    }
}
