using System.Text;

namespace Llama.Gateway.Api.Tools;

/// <summary>Reads a call whose name stands in its mark: <c>&lt;function=name&gt;{…}</c>, from the name on.</summary>
internal sealed class NamedCall : ICallReader
{
    private readonly StringBuilder name = new();
    private readonly StringBuilder arguments = new();
    private JsonSpan value;

    /// <inheritdoc/>
    public string? Name { get; private set; }

    /// <inheritdoc/>
    public bool HasArguments { get; private set; }

    /// <inheritdoc/>
    public bool ClosesItself => false;

    /// <inheritdoc/>
    public CallState Take(char character)
    {
        if (Name is null)
        {
            if (character == '>')
            {
                Name = name.ToString();
                return CallState.Going;
            }

            name.Append(character);
            return ToolUse.IsName(name.ToString()) ? CallState.Going : CallState.NoCall;
        }

        if (!HasArguments)
        {
            if (char.IsWhiteSpace(character)) return CallState.Going;
            if (character != '{') return CallState.NoCall;
            HasArguments = true;
        }

        arguments.Append(character);
        return value.Take(character, out _) ? CallState.Complete : CallState.Going;
    }

    /// <inheritdoc/>
    public bool End() => false;

    /// <inheritdoc/>
    public string TakeArguments()
    {
        var more = arguments.ToString();
        arguments.Clear();
        return more;
    }
}
