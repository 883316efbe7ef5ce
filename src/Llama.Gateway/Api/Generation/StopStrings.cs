namespace Llama.Gateway.Api.Generation;

/// <summary>The texts that end a generation.</summary>
/// <param name="texts">The texts; none is empty.</param>
internal sealed class StopStrings(IReadOnlyList<string> texts)
{
    /// <summary>The texts.</summary>
    public IReadOnlyList<string> Texts { get; } = texts;

    /// <summary>
    /// For every text and every number of its leading characters, how many of those characters are again the text's beginning
    /// (the failure function of Knuth, Morris and Pratt, 1977): a stream is searched without ever going back.
    /// </summary>
    public IReadOnlyList<int[]> Fallbacks { get; } = [.. texts.Select(Fallback)];

    /// <summary>How many leading characters of a text match after one more character.</summary>
    /// <param name="index">Which text.</param>
    /// <param name="matched">How many matched before; fewer than all.</param>
    /// <param name="next">The character.</param>
    public int Advance(int index, int matched, char next) => Advance(Texts[index], Fallbacks[index], matched, next);

    private static int Advance(string text, int[] fallback, int matched, char next)
    {
        while (matched > 0 && text[matched] != next) matched = fallback[matched];
        return text[matched] == next ? matched + 1 : 0;
    }

    private static int[] Fallback(string text)
    {
        var fallback = new int[text.Length + 1];
        for (var length = 2; length <= text.Length; length++)
            fallback[length] = Advance(text, fallback, fallback[length - 1], text[length - 1]);
        return fallback;
    }
}
