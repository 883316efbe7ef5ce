using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>
/// What the name of a token says of it, whatever its file calls its type: converters write turn markers as control, user-defined and
/// ordinary tokens alike. llama.cpp decides by names, too (<c>llama-vocab.cpp</c>, its end-of-generation tokens).
/// </summary>
internal static class ControlNames
{
    private static readonly HashSet<string> Ends =
    [
        "</s>", "<eos>", "[EOS]", "<|endoftext|>", "<|end_of_text|>", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "<|end_of_sentence|>",
        "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>", "<|EOT|>", "<EOT>", "[EOT]", "\u2581<EOT>", "_<EOT>",
        "<|im_end|>", "<|end|>", "<|end_of_turn|>", "<end_of_turn>", "<|turn_end|>", "<|end_of_utterance|>", "<end_of_utterance>",
        "<|return|>", "<|call|>", "<|calls|>", "<|flush|>",
    ];

    // Openers that are not of the form <|name|>. Those with brackets are Mistral's.
    private static readonly HashSet<string> Opens =
    [
        "<s>", "<bos>", "[BOS]", "<start_of_turn>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]",
        "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
    ];

    /// <summary>Whether a token of this name ends a text, a turn, or a message that awaits a tool.</summary>
    public static bool EndsAnswer(string name) => Ends.Contains(name);

    /// <summary>
    /// Whether a token of this name marks turns: it ends an answer, opens a turn, or has the form of such markers,
    /// <c>&lt;|name|&gt;</c> with ASCII or full-width bars; or whether it marks the text around a gap.
    /// </summary>
    public static bool IsControl(string name) => Ends.Contains(name) || Opens.Contains(name) || IsMarker(name) || InfillTokens.Has(name);

    private static bool IsMarker(string name)
    {
        if (name is not ['<', '|' or '\uFF5C', .. { Length: > 0 } inner, '|' or '\uFF5C', '>']) return false;
        bool hasLetter = false;
        foreach (Rune rune in inner.EnumerateRunes())
        {
            bool isLetter = Rune.IsLetter(rune);
            if (!isLetter && !Rune.IsDigit(rune) && rune.Value is not ('_' or '-' or '.' or ' ' or SpaceRules.Mark)) return false;
            hasLetter |= isLetter;
        }

        return hasLetter;
    }
}
