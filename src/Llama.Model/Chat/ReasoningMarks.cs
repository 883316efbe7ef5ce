using System.Text;
using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>Between which marks a model writes what it thinks before it answers.</summary>
/// <param name="Begin">The mark before it.</param>
/// <param name="End">The mark behind it.</param>
/// <param name="BeginToken">The special token of <paramref name="Begin"/>; null where the mark is seen in the text.</param>
/// <param name="EndToken">The special token of <paramref name="End"/>, likewise.</param>
public sealed record ReasoningMarks(string Begin, string End, int? BeginToken, int? EndToken)
{
    // DeepSeek's, which most others took over, and Mistral's.
    private static readonly (string Begin, string End)[] Known = [("<think>", "</think>"), ("[THINK]", "[/THINK]")];

    /// <summary>The marks that the vocabulary has as tokens, or else those that a chat template writes or looks for; null for neither.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="templates">The texts of the checkpoint's own chat templates.</param>
    public static ReasoningMarks? Find(ITokenizer tokenizer, IEnumerable<string> templates)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        foreach ((string begin, string end) in Known)
        {
            int? beginToken = tokenizer.FindSpecial(begin);
            int? endToken = tokenizer.FindSpecial(end);
            if ((beginToken is null || endToken is null) && !templates.Any(text => text.Contains(end, StringComparison.Ordinal))) continue;
            return new ReasoningMarks(begin, end, Hidden(beginToken), Hidden(endToken));
        }

        return null;

        int? Hidden(int? token) => token is { } id && tokenizer.TokenBytes(id).IsEmpty ? id : null;
    }

    /// <summary>The marks that are special tokens.</summary>
    public IEnumerable<TokenMark> Tokens
    {
        get
        {
            if (BeginToken is { } begin) yield return new TokenMark(begin, Begin);
            if (EndToken is { } end) yield return new TokenMark(end, End);
        }
    }

    /// <summary>The mark that a special token stands for; null for other tokens, marks that are text among them.</summary>
    /// <param name="token">The token.</param>
    public string? MarkOf(int token) => token == BeginToken ? Begin : token == EndToken ? End : null;

    /// <summary>Whether a text ends before the reasoning that it began does.</summary>
    /// <param name="text">The beginning of an assistant's message.</param>
    public bool IsOpenIn(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.LastIndexOf(Begin, StringComparison.Ordinal) > text.LastIndexOf(End, StringComparison.Ordinal);
    }

    /// <summary>Whether a prompt ends with <see cref="Begin"/>, perhaps with white space behind it: the answer is reasoning from its start.</summary>
    /// <param name="prompt">The prompt's token ids.</param>
    /// <param name="vocabulary">Tells their text.</param>
    public bool IsOpenAfter(IReadOnlyList<int> prompt, IVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(vocabulary);
        string tail = "";
        for (int index = prompt.Count - 1; index >= 0; index--)
        {
            string text = MarkOf(prompt[index]) ?? Encoding.UTF8.GetString(vocabulary.TokenBytes(prompt[index]));
            if (text.Length == 0) return false;
            tail = (text + tail).TrimEnd();
            if (tail.Length >= Begin.Length) return tail.EndsWith(Begin, StringComparison.Ordinal);
        }

        return false;
    }
}
