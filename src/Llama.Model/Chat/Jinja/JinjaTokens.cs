namespace Llama.Model.Chat.Jinja;

/// <summary>Tokens that are read one after the other.</summary>
internal sealed class JinjaTokens(List<JinjaToken> tokens)
{
    private int at;

    /// <summary>The next one.</summary>
    public JinjaToken Current => tokens[at];

    /// <summary>The one after it.</summary>
    public JinjaToken Following => tokens[Math.Min(at + 1, tokens.Count - 1)];

    /// <summary>Takes the next one; the end stays.</summary>
    public JinjaToken Take() => at < tokens.Count - 1 ? tokens[at++] : tokens[at];

    /// <summary>Takes the next one if it is this operator.</summary>
    public bool Skip(string symbol)
    {
        if (Current.Kind != JinjaTokenKind.Operator || Current.Text != symbol) return false;
        at++;
        return true;
    }

    /// <summary>Takes the next one if it is this name.</summary>
    public bool SkipName(string name)
    {
        if (!IsName(name)) return false;
        at++;
        return true;
    }

    /// <summary>Whether the next one is this name.</summary>
    public bool IsName(string name) => Current.Kind == JinjaTokenKind.Name && Current.Text == name;

    /// <summary>Takes the next one, which must be of this kind.</summary>
    public JinjaToken Expect(JinjaTokenKind kind, string what) => Current.Kind == kind ? Take() : throw Unexpected(what);

    /// <summary>Takes the next one, which must be this operator.</summary>
    public void ExpectOperator(string symbol)
    {
        if (!Skip(symbol)) throw Unexpected(symbol);
    }

    /// <summary>Takes the next one, which must be this name.</summary>
    public void ExpectName(string name)
    {
        if (!SkipName(name)) throw Unexpected(name);
    }

    /// <summary>Takes the end of a statement.</summary>
    public void EndStatement() => Expect(JinjaTokenKind.StatementEnd, "%}");

    /// <summary>The error for the next token.</summary>
    public JinjaException Unexpected(string expected) => new(
        $"found {(Current.Kind == JinjaTokenKind.End ? "the end of the template" : $"'{Current.Text}'")}, expected {expected}", Current.Line);
}
