namespace Llama.Model.Chat.Jinja;

/// <summary>
/// A text that knows of each UTF-16 unit whether a request wrote it or the template did: only what the template wrote may become special
/// tokens. Every operation keeps that knowledge. Equal to another of the same characters.
/// </summary>
internal sealed class JinjaText : IEquatable<JinjaText>
{
    private readonly bool[]? fromRequest;

    private JinjaText(string value, bool[]? fromRequest, bool isSafe = false)
    {
        Value = value;
        this.fromRequest = fromRequest;
        IsSafe = isSafe;
    }

    /// <summary>The empty text.</summary>
    public static JinjaText Empty { get; } = new("", null);

    /// <summary>The characters.</summary>
    public string Value { get; }

    /// <summary>How many UTF-16 units it has.</summary>
    public int Length => Value.Length;

    /// <summary>By unit: whether a request wrote it; null where the template wrote all.</summary>
    public IReadOnlyList<bool>? FromRequest => fromRequest;

    /// <summary>Whether it is HTML already, as <c>safe</c> makes it: what is added to it is escaped.</summary>
    public bool IsSafe { get; }

    /// <summary>The same text as HTML.</summary>
    public JinjaText AsSafe() => IsSafe ? this : new(Value, fromRequest, isSafe: true);

    /// <summary>The text as HTML, which writes <c>&amp; &lt; &gt; " '</c> otherwise; unchanged where it is HTML already.</summary>
    public JinjaText Escaped()
    {
        if (IsSafe) return this;
        JinjaText text = this;
        foreach ((string plain, string escaped) in ((string, string)[])[("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&#34;"), ("'", "&#39;")])
            text = text.Replace(OfTemplate(plain), OfTemplate(escaped), int.MaxValue);
        return text.AsSafe();
    }

    /// <summary>Two texts added, as Python adds them: where one is HTML, the other becomes it.</summary>
    public JinjaText Plus(JinjaText other) => IsSafe || other.IsSafe ? Concat(Escaped(), other.Escaped()).AsSafe() : Concat(this, other);

    /// <summary>A text that the template wrote, or that says nothing of its own (a number, <c>True</c>).</summary>
    public static JinjaText OfTemplate(string value) => new(value, null);

    /// <summary>A text that a request wrote.</summary>
    public static JinjaText OfRequest(string value)
    {
        var all = new bool[value.Length];
        Array.Fill(all, true);
        return new JinjaText(value, all);
    }

    /// <summary>A text made of this one in which places are lost, such as in upper case: a request's if any of it was.</summary>
    public JinjaText Changed(string value)
    {
        JinjaText changed = fromRequest is null || Array.TrueForAll(fromRequest, one => !one) ? OfTemplate(value) : OfRequest(value);
        return IsSafe ? changed.AsSafe() : changed;
    }

    /// <summary>A part.</summary>
    public JinjaText Slice(int start, int length) =>
        start == 0 && length == Length ? this : new(Value.Substring(start, length), fromRequest?[start..(start + length)], IsSafe);

    /// <summary>Some of its characters.</summary>
    public JinjaText Kept(IEnumerable<JinjaText> characters)
    {
        JinjaText kept = Concat([Empty, .. characters]);
        return IsSafe ? kept.AsSafe() : kept;
    }

    /// <summary>Texts one after the other.</summary>
    public static JinjaText Concat(params IReadOnlyList<JinjaText> texts)
    {
        if (texts.Count == 1) return texts[0];
        string value = string.Concat(texts.Select(text => text.Value));
        if (texts.All(text => text.fromRequest is null)) return OfTemplate(value);
        var flags = new bool[value.Length];
        int at = 0;
        foreach (JinjaText text in texts)
        {
            text.fromRequest?.CopyTo(flags, at);
            at += text.Length;
        }

        return new JinjaText(value, flags);
    }

    /// <summary>Without some characters at its ends; without white space where none are named.</summary>
    public JinjaText Trim(bool start, bool end, string? characters)
    {
        int first = 0, last = Length;
        while (start && first < last && IsTrimmed(Value[first], characters)) first++;
        while (end && last > first && IsTrimmed(Value[last - 1], characters)) last--;
        return Slice(first, last - first);
    }

    /// <summary>With one text in place of another, at most so many times.</summary>
    public JinjaText Replace(JinjaText old, JinjaText by, int most)
    {
        if (IsSafe) return new JinjaText(Value, fromRequest).Replace(old, by.Escaped(), most).AsSafe();
        var parts = new List<JinjaText>();
        int at = 0;
        if (old.Length == 0)
        {
            // Python puts the new text before each character and at the end.
            for (; at < Length && most > 0; most--, at++) parts.AddRange([by, Slice(at, 1)]);
            parts.Add(Slice(at, Length - at));
            if (most > 0) parts.Add(by);
            return Concat(parts);
        }

        for (int found; most > 0 && (found = Value.IndexOf(old.Value, at, StringComparison.Ordinal)) >= 0; most--)
        {
            parts.AddRange([Slice(at, found - at), by]);
            at = found + old.Length;
        }

        parts.Add(Slice(at, Length - at));
        return Concat(parts);
    }

    /// <inheritdoc/>
    public bool Equals(JinjaText? other) => other is not null && Value == other.Value;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as JinjaText);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Value;

    private static bool IsTrimmed(char character, string? characters) =>
        characters is null ? char.IsWhiteSpace(character) || character is >= '\u001C' and <= '\u001F' : characters.Contains(character, StringComparison.Ordinal);
}
