using System.Text;
using Llama.Model.Chat.Tools;

namespace Llama.Gateway.Api.Tools;

/// <summary>How calls are found in an answer.</summary>
/// <param name="Form">How the model writes them.</param>
/// <param name="Names">The functions that may be called; a call of another one is text.</param>
/// <param name="IsSingle">Whether the answer ends with its first call.</param>
internal sealed record ToolCallFormat(ToolForm Form, IReadOnlySet<string> Names, bool IsSingle);

/// <summary>
/// Divides a stream of text into content and calls, however it was cut into tokens. What may be the beginning of a call is held back until
/// its function is known; then its arguments come as the text does, as the model writes them. What turns out to be no call is content.
/// White space beside calls belongs to neither.
/// </summary>
/// <param name="format">How calls are written.</param>
internal sealed class ToolCallSplitter(ToolCallFormat format)
{
    private readonly StringBuilder content = new();
    private readonly StringBuilder blanks = new();
    private readonly List<ToolCallPart> parts = [];
    private string mark = "";
    private bool closes;
    private bool atEdge = true;
    private ICallReader? call;
    private StringBuilder? held;
    private int started;

    // A brace begins a call at the start of the answer, and behind another call.
    private bool IsBare => format.Form.StartsBare && atEdge && mark.Length == 0;

    /// <summary>Whether there is a call.</summary>
    public bool HasCalls => started > 0;

    /// <summary>Whether the answer is complete, whatever would follow.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Takes more text and returns what is now certain of both.</summary>
    /// <param name="text">The text.</param>
    public (string Content, IReadOnlyList<ToolCallPart> Calls) Append(string text)
    {
        foreach (var character in text)
        {
            if (IsComplete) break;
            Take(character);
        }

        return TakeCertain();
    }

    /// <summary>What was held back, when no more follows.</summary>
    public (string Content, IReadOnlyList<ToolCallPart> Calls) Flush()
    {
        if (call is { } reader)
        {
            var isCall = reader.End();
            if (isCall && held is not null) Begin(reader);
            if (held is null) Pass(reader);
            else GiveUp();
            call = null;
        }

        // What was to close a call, and white space behind it, are none of the content.
        if (!closes && (mark.Length > 0 || !(HasCalls && atEdge))) content.Append(blanks).Append(mark);
        blanks.Clear();
        mark = "";
        return TakeCertain();
    }

    private (string Content, IReadOnlyList<ToolCallPart> Calls) TakeCertain()
    {
        if (content.Length == 0 && parts.Count == 0) return ("", []);
        (string Content, IReadOnlyList<ToolCallPart> Calls) certain = (content.ToString(), ToolCallPart.Join(parts));
        content.Clear();
        parts.Clear();
        return certain;
    }

    private void Take(char character)
    {
        if (call is not null) TakeOfCall(character);
        else if (closes) TakeOfClosing(character);
        else TakeOfText(character);
    }

    private void TakeOfText(char character)
    {
        if (mark.Length == 0 && char.IsWhiteSpace(character))
        {
            blanks.Append(character);
            return;
        }

        if (IsBare && HasCalls && character is ';' or ',') return;
        if (IsBare && character == '{')
        {
            Open("", new CallObject(needsArguments: true));
            TakeOfCall(character);
            return;
        }

        mark += character;
        var openings = format.Form.Openings;
        if (openings.Contains(mark))
        {
            Open(mark, ReaderOf(mark));
            mark = "";
            return;
        }

        while (mark.Length > 0 && !openings.Any(opening => opening.StartsWith(mark, StringComparison.Ordinal)))
        {
            var first = mark[0];
            mark = mark[1..];
            if (char.IsWhiteSpace(first))
            {
                blanks.Append(first);
                continue;
            }

            content.Append(blanks).Append(first);
            blanks.Clear();
            atEdge = false;
        }
    }

    private ICallReader ReaderOf(string opening) =>
        ToolForm.IsBuiltIn(opening) ? new BuiltInCall(format.Names)
        : ToolForm.NamesFunction(opening) ? new NamedCall()
        : new CallObject(needsArguments: false);

    private void Open(string opening, ICallReader reader)
    {
        call = reader;
        held = new StringBuilder(opening);
    }

    private void TakeOfCall(char character)
    {
        var reader = call!;
        var state = reader.Take(character);
        if (state == CallState.NoCall && held is not null)
        {
            GiveUp();
            Take(character);
            return;
        }

        held?.Append(character);
        if (held is not null && reader.Name is { } name)
        {
            if (!format.Names.Contains(name))
            {
                GiveUp();
                return;
            }

            if (reader.HasArguments || state == CallState.Complete) Begin(reader);
        }

        Pass(reader);
        if (state == CallState.Going) return;
        call = null;
        closes = format.Form.Closing.Length > 0 && !reader.ClosesItself;
        atEdge = true;
        IsComplete = format.IsSingle;

        // A call that goes wrong behind its name ends where it does.
        if (state == CallState.NoCall) Take(character);
    }

    private void Begin(ICallReader reader)
    {
        held = null;
        blanks.Clear();
        parts.Add(new ToolCallPart(started++, reader.Name, ""));
    }

    private void Pass(ICallReader reader)
    {
        if (held is null && reader.TakeArguments() is { Length: > 0 } arguments) parts.Add(new ToolCallPart(started - 1, null, arguments));
    }

    /// <summary>What was held back is content, without another look: so no text takes more time than its length.</summary>
    private void GiveUp()
    {
        content.Append(blanks).Append(held);
        blanks.Clear();
        (call, held, atEdge) = (null, null, false);
    }

    private void TakeOfClosing(char character)
    {
        var closing = format.Form.Closing;
        if (mark.Length == 0 && char.IsWhiteSpace(character))
        {
            blanks.Append(character);
            return;
        }

        mark += character;
        if (mark == closing)
        {
            blanks.Clear();
            (mark, closes) = ("", false);
            return;
        }

        if (closing.StartsWith(mark, StringComparison.Ordinal)) return;
        var other = mark;
        (mark, closes) = ("", false);
        foreach (var one in other) Take(one);
    }
}
