namespace Llama.Tool;

/// <summary>
/// A made-up SentencePiece vocabulary of any size, so that other programs load a model that has none: special tokens, bytes, printable
/// ASCII, and numbered words.
/// </summary>
internal static class SyntheticVocabulary
{
    private const int Normal = 1;
    private const int Unknown = 2;
    private const int Control = 3;
    private const int Byte = 6;

    /// <summary>The metadata that describe it.</summary>
    /// <param name="size">Number of tokens, at least 400.</param>
    public static IEnumerable<KeyValuePair<string, object>> Metadata(int size)
    {
        (string Text, int Type)[] tokens =
        [
            ("<unk>", Unknown), ("<s>", Control), ("</s>", Control),
            .. Enumerable.Range(0, 256).Select(value => ($"<0x{value:X2}>", Byte)),
            ("\u2581", Normal),
            .. Enumerable.Range('!', '~' - '!' + 1).Select(value => (((char)value).ToString(), Normal)),
        ];
        tokens = [.. tokens, .. Enumerable.Range(0, size - tokens.Length).Select(number => ($"\u2581w{number}", Normal))];
        return
        [
            new("tokenizer.ggml.model", "llama"),
            new("tokenizer.ggml.pre", "default"),
            new("tokenizer.ggml.tokens", tokens.Select(token => token.Text).ToArray()),
            new("tokenizer.ggml.scores", tokens.Select((token, id) => token.Type == Normal ? -id : 0f).ToArray()),
            new("tokenizer.ggml.token_type", tokens.Select(token => token.Type).ToArray()),
            new("tokenizer.ggml.bos_token_id", 1),
            new("tokenizer.ggml.eos_token_id", 2),
            new("tokenizer.ggml.unknown_token_id", 0),
            new("tokenizer.ggml.add_bos_token", true),
        ];
    }
}
