namespace Llama.Model.Tokenization;

/// <summary>A special token that stands for a text where an answer is read, though it adds none to it.</summary>
/// <param name="Token">Its id.</param>
/// <param name="Text">The text.</param>
public readonly record struct TokenMark(int Token, string Text);
