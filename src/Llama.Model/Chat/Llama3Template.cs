using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>
/// Llama 3, 3.1, 3.2 and 3.3 Instruct (Meta, llama3's tokenizer.py, <c>ChatFormat</c>): a header with the role before each message, an
/// end-of-turn token after it.
/// </summary>
internal sealed class Llama3Template : ChatTemplate
{
    private readonly int startHeader;
    private readonly int endHeader;
    private readonly int endOfTurn;

    public Llama3Template(string name, ITokenizer tokenizer)
        : base(name, tokenizer)
    {
        startHeader = Require("<|start_header_id|>");
        endHeader = Require("<|end_header_id|>");
        endOfTurn = Require("<|eot_id|>");
    }

    private protected override void Write(IReadOnlyList<ChatMessage> messages, List<int> ids)
    {
        WriteBeginOfText(ids);
        for (int i = 0; i < messages.Count; i++)
        {
            CheckRole(messages, i, System, User, Assistant);
            WriteHeader(messages[i].Role, ids);
            WriteText(messages[i].Content.Trim(), ids);
            ids.Add(endOfTurn);
        }
        WriteHeader(Assistant, ids);
    }

    private void WriteHeader(string role, List<int> ids)
    {
        ids.Add(startHeader);
        WriteText(role, ids);
        ids.Add(endHeader);
        WriteText("\n\n", ids);
    }
}
