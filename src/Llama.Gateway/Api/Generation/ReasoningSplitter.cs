using Llama.Model.Chat;

namespace Llama.Gateway.Api.Generation;

/// <summary>How a choice's text is divided into reasoning and content.</summary>
/// <param name="Marks">Between which marks the model reasons.</param>
/// <param name="IsOpen">Whether the prompt has begun the reasoning.</param>
internal sealed record ChoiceReasoning(ReasoningMarks Marks, bool IsOpen);

/// <summary>
/// Divides a stream of text into reasoning and content, however it was cut into tokens. Reasoning is what stands between the marks at the start
/// of an answer; marks behind it are content. The marks, and the white space beside them, belong to neither.
/// </summary>
/// <param name="reasoning">The marks, and where the answer starts.</param>
internal sealed class ReasoningSplitter(ChoiceReasoning reasoning)
{
    private readonly string begin = reasoning.Marks.Begin;
    private readonly string end = reasoning.Marks.End;
    private string held = "";
    private bool hasText;

    /// <summary>Where the text is at present.</summary>
    public ReasoningPlace Place { get; private set; } = reasoning.IsOpen ? ReasoningPlace.Reasoning : ReasoningPlace.Start;

    /// <summary>Takes more text and returns what is now certain of both parts.</summary>
    /// <param name="text">The text.</param>
    public (string Reasoning, string Content) Append(string text)
    {
        if (Place == ReasoningPlace.Content) return ("", text);
        var pending = held + text;
        held = "";
        if (Place == ReasoningPlace.Start)
        {
            var visible = pending.AsSpan().TrimStart();
            if (!visible.StartsWith(begin, StringComparison.Ordinal))
            {
                if (begin.AsSpan().StartsWith(visible, StringComparison.Ordinal))
                {
                    held = pending;
                    return ("", "");
                }

                Place = ReasoningPlace.Content;
                return ("", pending);
            }

            Place = ReasoningPlace.Reasoning;
            pending = visible[begin.Length..].ToString();
        }

        var thought = Place == ReasoningPlace.Reasoning ? TakeReasoning(ref pending) : "";
        if (Place != ReasoningPlace.Behind) return (thought, "");
        pending = pending.TrimStart();
        if (pending.Length > 0) Place = ReasoningPlace.Content;
        return (thought, pending);
    }

    /// <summary>What was held back, when no more follows.</summary>
    public (string Reasoning, string Content) Flush()
    {
        var rest = held;
        held = "";
        return Place == ReasoningPlace.Reasoning ? (rest.TrimEnd(), "") : ("", rest);
    }

    // Leaves in pending what stands behind the end; holds back what may be a part of it, and white space that may stand before it.
    private string TakeReasoning(ref string pending)
    {
        if (!hasText) pending = pending.TrimStart();
        var at = pending.IndexOf(end, StringComparison.Ordinal);
        if (at >= 0)
        {
            Place = ReasoningPlace.Behind;
            var last = pending[..at].TrimEnd();
            pending = pending[(at + end.Length)..];
            return last;
        }

        var kept = Math.Min(end.Length - 1, pending.Length);
        while (!end.AsSpan().StartsWith(pending.AsSpan(pending.Length - kept), StringComparison.Ordinal)) kept--;
        var certain = pending[..^kept].TrimEnd();
        held = pending[certain.Length..];
        hasText |= certain.Length > 0;
        return certain;
    }
}

/// <summary>A place in an answer with reasoning.</summary>
internal enum ReasoningPlace
{
    /// <summary>Nothing but white space yet, and perhaps a part of the mark.</summary>
    Start,

    /// <summary>Between the marks.</summary>
    Reasoning,

    /// <summary>Right behind the second mark.</summary>
    Behind,

    /// <summary>In the content.</summary>
    Content,
}

/// <summary>Counts the tokens of reasoning, those of the marks included.</summary>
/// <param name="reasoning">The marks, and where the answer starts.</param>
internal sealed class ReasoningCounter(ChoiceReasoning reasoning)
{
    private readonly ReasoningSplitter splitter = new(reasoning);
    private int undecided;

    /// <summary>How many more tokens are known to be reasoning.</summary>
    /// <param name="text">The text that the next token adds.</param>
    public int Append(string text)
    {
        var before = splitter.Place;
        if (before is ReasoningPlace.Behind or ReasoningPlace.Content) return 0;
        var reasoned = splitter.Append(text).Reasoning;
        if (before == ReasoningPlace.Reasoning) return 1;
        undecided++;
        return splitter.Place is ReasoningPlace.Reasoning or ReasoningPlace.Behind || reasoned.Length > 0 ? undecided : 0;
    }
}
