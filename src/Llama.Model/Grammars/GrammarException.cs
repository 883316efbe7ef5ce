namespace Llama.Model.Grammars;

/// <summary>A grammar cannot be used. The message says what was found, where, and what was expected.</summary>
/// <param name="message">For the client.</param>
/// <param name="isTemporary">Whether the same grammar may be used later, when others need less memory.</param>
public sealed class GrammarException(string message, bool isTemporary = false) : Exception(message)
{
    /// <summary>Whether the same grammar may be used later.</summary>
    public bool IsTemporary => isTemporary;
}
