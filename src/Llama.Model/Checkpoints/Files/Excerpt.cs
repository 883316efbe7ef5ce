namespace Llama.Model.Checkpoints.Files;

/// <summary>Shows what a file contains in a message without letting the file fill it.</summary>
internal static class Excerpt
{
    private const int Longest = 100;

    /// <summary>At most 100 characters of a text, without control characters.</summary>
    public static string Of(string text)
    {
        string shown = text.Length > Longest ? text[..Longest] + "…" : text;
        return string.Create(shown.Length, shown, static (target, source) =>
        {
            for (int i = 0; i < target.Length; i++) target[i] = char.IsControl(source[i]) ? '?' : source[i];
        });
    }
}
