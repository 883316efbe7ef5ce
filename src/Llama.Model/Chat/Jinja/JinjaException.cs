namespace Llama.Model.Chat.Jinja;

/// <summary>A template cannot be read or run. The text says what was found and in which line.</summary>
internal sealed class JinjaException : Exception
{
    /// <summary>A template cannot be read or run.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="line">Where, from 1; 0 where it is not known yet.</param>
    public JinjaException(string message, int line = 0)
        : base(line > 0 ? $"line {line}: {message}" : message)
    {
        Line = line;
    }

    /// <summary>The line, or 0.</summary>
    public int Line { get; }
}
