using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>
/// Code Llama 70B Instruct (Meta, codellama's generation.py, <c>dialog_prompt_tokens</c>): each message has a header that names its source
/// and ends with the token <c>&lt;step&gt;</c>; header and body are encoded as texts of their own.
/// </summary>
internal sealed class CodeLlama70BTemplate : ChatTemplate
{
    private readonly int step;

    public CodeLlama70BTemplate(string name, ITokenizer tokenizer)
        : base(name, tokenizer) => step = Require("<step>");

    /// <inheritdoc/>
    public override IReadOnlyList<int> StopTokens => [step];

    private protected override void Write(IReadOnlyList<ChatMessage> messages, List<int> ids)
    {
        WriteBeginOfText(ids);
        if (CheckTurns(messages) == 0) WriteMessage(new ChatMessage(System, ""), ids);
        foreach (ChatMessage message in messages)
            WriteMessage(message, ids);
        WriteText(" Source: assistant\nDestination: user", ids);
        WriteText("\n\n ", ids);
    }

    private void WriteMessage(ChatMessage message, List<int> ids)
    {
        WriteText($" Source: {message.Role}", ids);
        if (message.Content.Length > 0) WriteText($"\n\n {message.Content.Trim()}", ids);
        ids.Add(step);
    }
}
