namespace Llama.Model.Grammars;

/// <summary>A grammar cannot be used. The message says what was found, where, and what was expected.</summary>
/// <param name="message">For the client.</param>
public sealed class GrammarException(string message) : Exception(message);
