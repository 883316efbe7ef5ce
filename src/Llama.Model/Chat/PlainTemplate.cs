using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>
/// For base models, which know no roles: the contents, a line each, as one text that the model continues where the last one ends.
/// </summary>
internal sealed class PlainTemplate(string name, ITokenizer tokenizer) : ChatTemplate(name, tokenizer)
{
    private protected override void Write(IReadOnlyList<ChatMessage> messages, List<int> ids)
    {
        for (int i = 0; i < messages.Count; i++)
            CheckRole(messages, i, System, User, Assistant);
        ids.AddRange(Tokenizer.PromptStart);
        WriteText(string.Join('\n', messages.Select(message => message.Content)), ids);
    }
}
