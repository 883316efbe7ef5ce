namespace Llama.Model.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">What is said; plain text, never parsed for special tokens.</param>
public sealed record ChatMessage(string Role, string Content);
