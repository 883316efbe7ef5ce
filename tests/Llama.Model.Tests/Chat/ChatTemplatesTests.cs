using System.Text.Json;
using Llama.Model.Chat;
using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tests.Tokenization;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Chat;

public class ChatTemplatesTests
{
    private static readonly ITokenizer SentencePiece = TestTokenizers.Get("tinystories");

    [Fact]
    public void Choose_Option_WinsOverEverything()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["chat_template.jinja"], "[INST]");
        ChatTemplate template = ChatTemplates.Choose(folder.Path, LlamaFamily.Llama2, SentencePiece, "plain", out string reason);
        Assert.Equal("plain", template.Name);
        Assert.Equal("The chat template is plain, as the option says.", reason);
    }

    [Fact]
    public void Choose_UnknownOption_ListsAllowedOnes()
    {
        var exception = Assert.Throws<ArgumentException>(
            () => ChatTemplates.Choose(".", LlamaFamily.Llama2, SentencePiece, "chatml", out _));
        Assert.Equal("'chatml' is no chat template; allowed are llama2, codellama, codellama-70b, llama3, plain.", exception.Message);
    }

    [Theory]
    [InlineData("llama3", "<|start_header_id|>")]
    [InlineData("codellama-70b", "<step>")]
    public void Choose_OptionThatTokenizerCannotServe_NamesToken(string option, string token)
    {
        var exception = Assert.Throws<ArgumentException>(() => ChatTemplates.Choose(".", LlamaFamily.Llama2, SentencePiece, option, out _));
        Assert.Equal($"The chat template {option} needs the special token {token}, which the tokenizer lacks.", exception.Message);
    }

    [Fact]
    public void Choose_TemplateInFile_IsTheCheckpointsOwn()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer_config.json"], """{ "chat_template": "a{{ messages[0].content }}" }""");
        AssertChosen(folder.Path, folder["tokenizer_config.json"], "ax");
        File.WriteAllText(folder["tokenizer_config.json"], """
            { "chat_template": [{ "name": "tool_use", "template": "{{ tools[0].function.name }}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}<function={{ c.function.name }}>{{ c.function.arguments|tojson }}{% endfor %}{% endfor %}" }, { "name": "default", "template": "b{{ messages[0].content }}" }] }
            """);
        ChatTemplate named = AssertChosen(folder.Path, folder["tokenizer_config.json"], "bx");
        var tools = new ChatOptions { Tools = JsonDocument.Parse("""[{"function":{"name":"f"}}]""").RootElement };
        Assert.Equal("fx", SentencePiece.Decode(named.Render([new ChatMessage("user", "x")], tools)));
        File.WriteAllText(folder["chat_template.jinja"], "c{{ messages[0].content }}");
        AssertChosen(folder.Path, folder["chat_template.jinja"], "cx");
    }

    [Theory]
    [InlineData("x\n{% if %}", "line 2: found '%}', expected an expression")]
    [InlineData("{% include 'x' %}", "line 1: found the statement 'include', which is not supported")]
    [InlineData("{{ x | pprint }}", "line 1: found the filter 'pprint', which is not supported")]
    [InlineData("{% for x in y %}\n", "found the end of the template, expected {% else %} or {% endfor %}")]
    public void Choose_TemplateThatCannotBeRun_IsRefusedWithItsPlaceUnlessAnotherIsNamed(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["chat_template.jinja"], text);
        var exception = Assert.Throws<ArgumentException>(() => ChatTemplates.Choose(folder.Path, LlamaFamily.Llama2, SentencePiece, null, out _));
        Assert.StartsWith($"The chat template in {folder["chat_template.jinja"]} cannot be run: ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(expected, exception.Message);
        Assert.Equal("llama2", ChatTemplates.Choose(folder.Path, LlamaFamily.Llama2, SentencePiece, "llama2", out _).Name);
    }

    [Fact]
    public void Choose_TemplateThatTokenizerCannotServe_TakesThePlainOne()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = Directory.CreateDirectory(folder["CodeLlama-70b-Instruct"]).FullName;
        Assert.Equal("plain", ChatTemplates.Choose(checkpoint, LlamaFamily.CodeLlama70B, SentencePiece, null, out string reason).Name);
        Assert.EndsWith(
            "But the plain one is used: The chat template codellama-70b needs the special token <step>, which the tokenizer lacks.",
            reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Llama-2-7b-CHAT", "llama2", "contains 'chat'")]
    [InlineData("CodeLlama-7b-Instruct/original", "llama2", "contains 'instruct'")]
    [InlineData("Llama-2-7b", "plain", "nothing says that Llama-2-7b is an instruct model")]
    [InlineData("chat/model", "plain", "nothing says that model is an instruct model")]
    public void Choose_NoTemplateInFolder_GoesByItsName(string name, string expected, string reason)
    {
        using var folder = new TemporaryFolder();
        string checkpoint = Directory.CreateDirectory(folder[name]).FullName;
        Assert.Equal(expected, ChatTemplates.Choose(checkpoint, LlamaFamily.Llama2, SentencePiece, null, out string found).Name);
        Assert.Contains(reason, found, StringComparison.Ordinal);
    }

    [Fact]
    public void Choose_ShippedModel_IsPlain() =>
        Assert.Equal("plain", ChatTemplates.Choose(TestPaths.TinyStories, LlamaFamily.Llama2, SentencePiece, null, out _).Name);

    [Fact]
    public void Choose_RealConfigurationOfLlama3_WritesTheFamilysTokens()
    {
        ITokenizer tokenizer = TestTokenizers.Get("llama3/tokenizer.json");
        ChatTemplate template = ChatTemplates.Choose(TestTokenizers.Real("llama3"), LlamaFamily.Llama3, tokenizer, null, out _);
        Assert.Equal("checkpoint", template.Name);
        ChatMessage[] messages = [new("user", " Hi <|eot_id|>there\n"), new("assistant", "So."), new("user", "Why?")];
        Assert.Equal(ChatTemplates.Create("llama3", tokenizer).Render(messages), template.Render(messages));
    }

    [Theory]
    [InlineData("{", "is not well-formed JSON")]
    [InlineData("{\"chat_template\": 7}", "chat_template is 7; expected a text")]
    public void Choose_MalformedConfiguration_NamesFile(string json, string message)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer_config.json"], json);
        var exception = Assert.Throws<CheckpointException>(
            () => ChatTemplates.Choose(folder.Path, LlamaFamily.Llama2, SentencePiece, null, out _));
        Assert.StartsWith(folder["tokenizer_config.json"], exception.Message, StringComparison.Ordinal);
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Choose_GgufFile_TakesTheTemplateInside()
    {
        using var folder = new TemporaryFolder();
        string file = TinyGguf.Write(folder["tiny.gguf"], changes: ("tokenizer.chat_template", "{{ messages[0].content }}y"));
        AssertChosen(file, file, "xy");
        TinyGguf.Write(folder["tiny-chat.gguf"]);
        Assert.Equal("llama2", ChatTemplates.Choose(folder["tiny-chat.gguf"], LlamaFamily.Llama2, SentencePiece, null, out _).Name);
        TinyGguf.Write(file);
        Assert.Equal("plain", ChatTemplates.Choose(file, LlamaFamily.Llama2, SentencePiece, null, out _).Name);
    }

    private static ChatTemplate AssertChosen(string path, string file, string expected)
    {
        ChatTemplate template = ChatTemplates.Choose(path, LlamaFamily.Llama2, SentencePiece, null, out string reason);
        Assert.Equal($"The chat template is the checkpoint's own, in {file}.", reason);
        Assert.Equal(expected, SentencePiece.Decode(template.Render([new ChatMessage("user", "x")])));
        return template;
    }
}
