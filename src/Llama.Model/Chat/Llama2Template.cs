using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>
/// Llama 2 Chat and Code Llama Instruct up to 34B (Meta, llama/generation.py): each exchange lies between begin-of-text and end-of-text,
/// the question in <c>[INST]</c>, the system message inside the first question.
/// </summary>
internal sealed class Llama2Template : ChatTemplate
{
    private readonly int endOfText;

    public Llama2Template(string name, ITokenizer tokenizer)
        : base(name, tokenizer) => endOfText = Require("</s>");

    private protected override void Write(IReadOnlyList<ChatMessage> messages, List<int> ids)
    {
        int first = CheckTurns(messages);
        string systemPart = first == 0 ? "" : $"<<SYS>>\n{messages[0].Content}\n<</SYS>>\n\n";
        for (int i = first; i < messages.Count; i += 2)
        {
            string question = $"[INST] {(i == first ? systemPart + messages[i].Content : messages[i].Content).Trim()} [/INST]";
            WriteBeginOfText(ids);
            if (i + 1 == messages.Count)
            {
                WriteText(question, ids);
                return;
            }
            WriteText($"{question} {messages[i + 1].Content.Trim()} ", ids);
            ids.Add(endOfText);
        }
    }
}
