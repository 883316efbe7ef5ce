namespace Llama.Model.Tokenization;

/// <summary>
/// The 256 special tokens of Llama 3 in Meta's format: its file holds the ordinary tokens alone, and Meta's tokenizer.py puts these behind
/// them in this order.
/// </summary>
internal static class Llama3SpecialTokens
{
    /// <summary>How many there are.</summary>
    public const int Count = 256;

    /// <summary>The name of the first one.</summary>
    public const string BeginOfText = "<|begin_of_text|>";

    // Llama 3.1 gave meanings to tokens that 3.0 had reserved; the file tokenizer.model is the same for both.
    private static readonly (int Offset, string Name)[] NewNames =
    [
        (4, "<|finetune_right_pad_id|>"), (5, "<|step_id|>"), (8, "<|eom_id|>"), (10, "<|python_tag|>"),
    ];

    /// <summary>All of them by name, where the ordinary tokens end.</summary>
    /// <param name="first">The id of the first one: the number of ordinary tokens.</param>
    public static Dictionary<string, int> StartingAt(int first)
    {
        var ids = new Dictionary<string, int>();
        int reserved = 0;
        for (int offset = 0; offset < Count; offset++)
        {
            string name = offset switch
            {
                0 => BeginOfText,
                1 => "<|end_of_text|>",
                6 => "<|start_header_id|>",
                7 => "<|end_header_id|>",
                9 => "<|eot_id|>",
                _ => $"<|reserved_special_token_{reserved++}|>",
            };
            ids.Add(name, first + offset);
        }

        foreach ((int offset, string name) in NewNames) ids.Add(name, first + offset);
        return ids;
    }
}
