namespace Llama.Gateway.Api.Generation;

/// <summary>
/// Cuts a stream of text before the first stop string that is complete in it (of several that end at one character, before the longest),
/// however the text was cut into tokens. Text that may be the beginning of a stop string is held back until that is known.
/// </summary>
/// <param name="stops">The stop strings.</param>
internal sealed class StopMatcher(StopStrings stops)
{
    private readonly int[] matched = new int[stops.Texts.Count];
    private string held = "";

    /// <summary>Whether a stop string was found: the text is complete.</summary>
    public bool Stopped => Found is not null;

    /// <summary>The stop string that was found, or null.</summary>
    public string? Found { get; private set; }

    /// <summary>Takes more text and returns what is now certain to belong to the answer.</summary>
    /// <param name="text">The text.</param>
    public string Append(string text)
    {
        if (matched.Length == 0) return text;
        var pending = held + text;
        for (var position = held.Length; position < pending.Length; position++)
        {
            var longest = LongestComplete(pending[position]);
            if (longest == 0) continue;
            var begin = position + 1 - longest;
            Found = pending.Substring(begin, longest);
            held = "";
            return pending[..begin];
        }

        held = pending[^matched.Max()..];
        return pending[..^held.Length];
    }

    /// <summary>The text that was held back, when no more follows.</summary>
    public string Flush()
    {
        var rest = held;
        held = "";
        return rest;
    }

    private int LongestComplete(char next)
    {
        var longest = 0;
        for (var index = 0; index < matched.Length; index++)
        {
            matched[index] = stops.Advance(index, matched[index], next);
            if (matched[index] == stops.Texts[index].Length) longest = Math.Max(longest, matched[index]);
        }

        return longest;
    }
}
