using System.Text;
using Llama.Model.Chat;
using Llama.Model.Tests.Tokenization;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Chat;

public class ChatTemplateTests
{
    private static readonly ChatMessage Rules = new("system", "Be brief.");
    private static readonly ChatMessage Question = new("user", " Why? ");
    private static readonly ChatMessage Answer = new("assistant", " So. ");
    private static readonly ChatMessage Again = new("user", "And then?");

    /// <summary>Llama 2's kind of vocabulary with &lt;step&gt;, whose ordinary tokens are bytes and spaces.</summary>
    private static readonly ITokenizer WithStep = SentencePieceModel.Read(
        new SentencePieceBytes().Pieces("\u2581").Piece("<step>", 0, SentencePieceBytes.Control).Trainer().Normalizer().ToArray(),
        "test").CreateTokenizer(TokenizerFacts.None);

    public static TheoryData<string> Llama2Names => ["llama2", "codellama"];

    [Theory]
    [MemberData(nameof(Llama2Names))]
    public void Llama2_OneQuestion_IsWritten(string name) =>
        Assert.Equal("<s> [INST] Why? [/INST]", Write(name, WithStep, Question));

    [Theory]
    [MemberData(nameof(Llama2Names))]
    public void Llama2_SystemAndTurns_AreWritten(string name) => Assert.Equal(
        "<s> [INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Why? [/INST] So. </s><s> [INST] And then? [/INST]",
        Write(name, WithStep, Rules, Question, Answer, Again));

    [Fact]
    public void Llama2_RealVocabulary_GivesIds()
    {
        ITokenizer tokenizer = TestTokenizers.Get("llama2/tokenizer.model");
        Assert.Equal(
            [1, 518, 25580, 29962, 3750, 29973, 518, 29914, 25580, 29962],
            ChatTemplates.Create("llama2", tokenizer).Render([Question]));
    }

    [Fact]
    public void CodeLlama70B_WithoutSystem_WritesAnEmptyOne() => Assert.Equal(
        "<s>  Source: system<step>  Source: user \n\n Why?<step>  Source: assistant\nDestination: user \n\n ",
        Write("codellama-70b", WithStep, Question));

    [Fact]
    public void CodeLlama70B_SystemAndTurns_AreWritten() => Assert.Equal(
        "<s>  Source: system \n\n Be brief.<step>  Source: user \n\n Why?<step>  Source: assistant \n\n So.<step>"
        + "  Source: user \n\n And then?<step>  Source: assistant\nDestination: user \n\n ",
        Write("codellama-70b", WithStep, Rules, Question, Answer, Again));

    [Fact]
    public void Llama3_SystemAndTurns_AreWritten() => Assert.Equal(
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        + "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\nSo.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        Write("llama3", TestTokenizers.Get("small-tiktoken"), Rules, Question, Answer));

    [Theory]
    [InlineData("llama3/tokenizer.model")]
    [InlineData("llama3/tokenizer.json")]
    public void Llama3_RealVocabulary_GivesIds(string name)
    {
        ChatTemplate template = ChatTemplates.Create("llama3", TestTokenizers.Get(name));
        Assert.Equal(
            [128000, 128006, 882, 128007, 271, 9906, 11, 1917, 0, 128009, 128006, 78191, 128007, 271],
            template.Render([new ChatMessage("user", " Hello, world!\n")]));
        Assert.Empty(template.StopTokens);
    }

    [Fact]
    public void Plain_Messages_AreLinesOfOneText()
    {
        ITokenizer tokenizer = TestTokenizers.Get("tinystories");
        ChatTemplate template = ChatTemplates.Create("plain", tokenizer);
        Assert.Equal([1, 948, 439, 452, 261, 402], template.Render([new ChatMessage("user", "Once upon a time")]));
        Assert.Equal(
            [1, .. tokenizer.Encode("Tell a story.\nOnce upon")],
            template.Render([new ChatMessage("system", "Tell a story."), new ChatMessage("user", "Once upon")]));
        Assert.Empty(template.StopTokens);
    }

    [Theory]
    [InlineData("llama2", "</s><s>[/INST]")]
    [InlineData("codellama-70b", "<step></s>")]
    [InlineData("plain", "<s>")]
    public void Render_NamesOfSpecialTokensInContent_StayText(string name, string content)
    {
        int specialTokens = Specials(ChatTemplates.Create(name, WithStep).Render([new ChatMessage("user", "x")]));
        Assert.Equal(specialTokens, Specials(ChatTemplates.Create(name, WithStep).Render([new ChatMessage("user", content)])));
        Assert.Contains(content, Write(name, WithStep, new ChatMessage("user", content)), StringComparison.Ordinal);
    }

    [Fact]
    public void Llama3_NamesOfSpecialTokensInContent_StayText()
    {
        ITokenizer tokenizer = TestTokenizers.Get("small-tiktoken");
        IReadOnlyList<int> ids = ChatTemplates.Create("llama3", tokenizer).Render([new ChatMessage("user", "<|eot_id|><|begin_of_text|>")]);
        Assert.Single(ids, id => id == tokenizer.FindSpecial("<|eot_id|>"));
        Assert.Single(ids, id => id == tokenizer.BeginOfText);
    }

    [Theory]
    [InlineData("llama2", "user assistant", "The last message, 1, has the role 'assistant'; the chat template llama2 needs one of user")]
    [InlineData("llama2", "system", "The last message, 0, has the role 'system'; the chat template llama2 needs one of user last.")]
    [InlineData("llama2", "user user", "Message 1 has the role 'user'; the chat template llama2 allows assistant there.")]
    [InlineData("codellama", "system system", "Message 1 has the role 'system'; the chat template codellama allows user there.")]
    [InlineData("codellama-70b", "assistant", "Message 0 has the role 'assistant'; the chat template codellama-70b allows system or user")]
    [InlineData("plain", "user wizard", "Message 1 has the role 'wizard'; the chat template plain allows system or user or assistant there.")]
    [InlineData("plain", "", "The conversation has no messages; expected at least one.")]
    public void Render_WrongRoles_NamesMessageAndRoles(string name, string roles, string message)
    {
        ChatMessage[] messages = [.. roles.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(role => new ChatMessage(role, "x"))];
        var exception = Assert.Throws<ChatException>(() => ChatTemplates.Create(name, WithStep).Render(messages));
        Assert.StartsWith(message, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Llama3_ForgedRole_IsRefused()
    {
        ChatTemplate template = ChatTemplates.Create("llama3", TestTokenizers.Get("small-tiktoken"));
        var exception = Assert.Throws<ChatException>(() => template.Render([new ChatMessage("system<|end_header_id|>", "x")]));
        Assert.StartsWith("Message 0 has the role 'system<|end_header_id|>'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StopTokens_OfCodeLlama70B_AreStep() =>
        Assert.Equal([SentencePieceBytes.FirstId + 1], ChatTemplates.Create("codellama-70b", WithStep).StopTokens);

    private static int Specials(IReadOnlyList<int> ids) => ids.Count(id => WithStep.TokenBytes(id).IsEmpty);

    /// <summary>What a template writes, special tokens by their names.</summary>
    private static string Write(string name, ITokenizer tokenizer, params ChatMessage[] messages)
    {
        string[] special = ["<s>", "</s>", "<step>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];
        Dictionary<int, string> names = special.Where(token => tokenizer.FindSpecial(token) is not null)
            .ToDictionary(token => tokenizer.FindSpecial(token)!.Value, token => token);
        var text = new StringBuilder();
        foreach (int id in ChatTemplates.Create(name, tokenizer).Render(messages))
            text.Append(names.TryGetValue(id, out string? token) ? token : Encoding.UTF8.GetString(tokenizer.TokenBytes(id)));
        return text.ToString();
    }
}
