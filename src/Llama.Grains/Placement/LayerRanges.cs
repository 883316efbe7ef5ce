using System.Globalization;

namespace Llama.Grains.Placement;

/// <summary>The <c>--ranges</c> option: ranges of layers in words, such as <c>0-6,6-12</c>; the end is not part of a range.</summary>
public static class LayerRanges
{
    /// <summary>Reads the ranges and checks that they cover all layers in order.</summary>
    /// <param name="text">The option's value.</param>
    /// <param name="layers">Layers of the model.</param>
    /// <exception cref="FormatException">They do not; the message says what was found and what was expected.</exception>
    public static IReadOnlyList<LayerSpan> Parse(string text, int layers)
    {
        ArgumentNullException.ThrowIfNull(text);
        var spans = new List<LayerSpan>();
        int expected = 0;
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            string[] ends = part.Split('-');
            if (ends.Length != 2 || !TryParse(ends[0], out int first) || !TryParse(ends[1], out int end))
                throw new FormatException($"--ranges: '{part}' is no range; expected first-end, such as 0-{layers}.");
            if (first != expected || end <= first)
                throw new FormatException($"--ranges: '{part}' was found where a range from layer {expected} was expected.");
            spans.Add(new LayerSpan(first, end));
            expected = end;
        }

        if (expected != layers) throw new FormatException($"--ranges: '{text}' ends at layer {expected}; the model has {layers}.");
        return spans;
    }

    private static bool TryParse(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
