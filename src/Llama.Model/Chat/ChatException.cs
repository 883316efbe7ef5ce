namespace Llama.Model.Chat;

/// <summary>A conversation does not fit its template. The text names the message by its index, the role found and those allowed.</summary>
public sealed class ChatException : Exception
{
    /// <summary>A conversation does not fit its template.</summary>
    /// <param name="message">Which message, what was found, what was expected.</param>
    public ChatException(string message)
        : base(message)
    {
    }
}
