using Llama.Model.Tokenization;

namespace Llama.Model.Chat.Tools;

/// <summary>How a model writes a call of a tool.</summary>
public enum ToolFormKind
{
    /// <summary>
    /// <c>{"name": …, "parameters": {…}}</c>, the whole message: Llama 3.1 to 3.3. Their built-in form, <c>&lt;|python_tag|&gt;</c> and
    /// <c>name.call(key="value")</c> or source code, belongs to it.
    /// </summary>
    Json,

    /// <summary><c>&lt;tool_call&gt;{"name": …, "arguments": {…}}&lt;/tool_call&gt;</c>, anywhere in the message: Hermes.</summary>
    Tagged,

    /// <summary><c>&lt;function=name&gt;{…}&lt;/function&gt;</c>, anywhere in the message: Llama 3.1's other form, functionary 3.1.</summary>
    Function,
}

/// <summary>How calls of tools are written in the messages of a model.</summary>
/// <param name="Kind">How one is written.</param>
/// <param name="IsOwn">Whether the chat template writes tools, calls and results itself; else <see cref="ToolPrompt"/> does, as text.</param>
/// <param name="TakesSeveral">Whether a message may have several calls.</param>
/// <param name="Marks">Special tokens that stand for parts of the form.</param>
public sealed record ToolForm(ToolFormKind Kind, bool IsOwn, bool TakesSeveral, IReadOnlyList<TokenMark> Marks)
{
    private const string Python = "<|python_tag|>";
    private const string TagBegin = "<tool_call>";
    private const string TagEnd = "</tool_call>";
    private const string FunctionBegin = "<function=";
    private const string FunctionEnd = "</function>";

    /// <summary>Texts that begin a call wherever they stand.</summary>
    public IReadOnlyList<string> Openings => Kind switch
    {
        ToolFormKind.Json => [Python],
        ToolFormKind.Tagged => [TagBegin],
        _ => [FunctionBegin, Python],
    };

    /// <summary>Whether a brace begins a call at the start of a message.</summary>
    public bool StartsBare => Kind == ToolFormKind.Json;

    /// <summary>What closes a call; empty where nothing does.</summary>
    public string Closing => Kind switch
    {
        ToolFormKind.Json => "",
        ToolFormKind.Tagged => TagEnd,
        _ => FunctionEnd,
    };

    /// <summary>What stands between two calls.</summary>
    public string Between => Kind == ToolFormKind.Function ? "" : "\n";

    /// <summary>Whether a text is the mark of the built-in form.</summary>
    /// <param name="opening">One of <see cref="Openings"/>.</param>
    public static bool IsBuiltIn(string opening) => opening == Python;

    /// <summary>Whether a text is the mark before a name of <see cref="ToolFormKind.Function"/>.</summary>
    /// <param name="opening">One of <see cref="Openings"/>.</param>
    public static bool NamesFunction(string opening) => opening == FunctionBegin;

    /// <summary>What stands before the arguments of a call.</summary>
    /// <param name="name">The tool: letters, digits and the like, so that no JSON escapes any of it.</param>
    public string Before(string name) => Kind switch
    {
        ToolFormKind.Json => $$"""{"name": "{{name}}", "parameters": """,
        ToolFormKind.Tagged => $$"""{{TagBegin}}{{"\n"}}{"name": "{{name}}", "arguments": """,
        _ => $"{FunctionBegin}{name}>",
    };

    /// <summary>What stands behind the arguments of a call.</summary>
    public string After => Kind switch
    {
        ToolFormKind.Json => "}",
        ToolFormKind.Tagged => "}\n" + TagEnd,
        _ => FunctionEnd,
    };

    /// <summary>The text that a special token stands for; null for other tokens.</summary>
    /// <param name="token">The token.</param>
    public string? MarkOf(int token)
    {
        foreach (TokenMark mark in Marks)
        {
            if (mark.Token == token) return mark.Text;
        }

        return null;
    }

    /// <summary>The form of <see cref="ToolPrompt"/>, for a template that has none.</summary>
    /// <param name="tokenizer">Knows the special tokens.</param>
    internal static ToolForm Plain(ITokenizer tokenizer) => Of(ToolFormKind.Json, isOwn: false, takesSeveral: true, tokenizer);

    /// <summary>A form with the special tokens of a vocabulary.</summary>
    internal static ToolForm Of(ToolFormKind kind, bool isOwn, bool takesSeveral, ITokenizer tokenizer)
    {
        var form = new ToolForm(kind, isOwn, takesSeveral, []);
        IEnumerable<string> texts = form.Openings.Append(form.Closing).Where(text => text.Length > 0);
        return form with
        {
            Marks = [.. from text in texts
                        let token = tokenizer.FindSpecial(text)
                        where token is { } id && tokenizer.TokenBytes(id).IsEmpty
                        select new TokenMark(token.Value, text)],
        };
    }
}
