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
    private static readonly ITokenizer Tiktoken = TestTokenizers.Get("small-tiktoken");

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

    [Theory]
    [InlineData("{{ '[INST] ' + content }}", LlamaFamily.Llama2, "llama2")]
    [InlineData("{{ '[INST] ' + content }}", LlamaFamily.CodeLlama, "codellama")]
    [InlineData("{{ '<|start_header_id|>' }}", LlamaFamily.Llama3, "llama3")]
    public void Choose_TemplateInFile_IsRecognised(string text, LlamaFamily family, string expected)
    {
        using var folder = new TemporaryFolder();
        ITokenizer tokenizer = family == LlamaFamily.Llama3 ? Tiktoken : SentencePiece;
        File.WriteAllText(folder["tokenizer_config.json"], $$"""{ "chat_template": "{{text}}" }""");
        string reason = $"The chat template is {expected}, recognised in {folder["tokenizer_config.json"]}.";
        AssertChosen(folder.Path, family, tokenizer, expected, reason);

        File.WriteAllText(folder["tokenizer_config.json"], $$"""
            { "chat_template": [{ "name": "tools", "template": "x" }, { "name": "default", "template": "{{text}}" }] }
            """);
        AssertChosen(folder.Path, family, tokenizer, expected, reason);

        File.WriteAllText(folder["tokenizer_config.json"], "{}");
        File.WriteAllText(folder["chat_template.jinja"], text);
        reason = $"The chat template is {expected}, recognised in {folder["chat_template.jinja"]}.";
        AssertChosen(folder.Path, family, tokenizer, expected, reason);
    }

    [Fact]
    public void Choose_UnknownTemplateInFile_TakesTheFamilys()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["chat_template.jinja"], "<|im_start|>");
        AssertChosen(folder.Path, LlamaFamily.Llama3, Tiktoken, "llama3",
            $"The chat template is the family's, llama3: the one in {folder["chat_template.jinja"]} is not known.");
    }

    [Fact]
    public void Choose_TemplateThatTokenizerCannotServe_TakesThePlainOne()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["chat_template.jinja"], "Source:");
        AssertChosen(folder.Path, LlamaFamily.CodeLlama70B, SentencePiece, "plain",
            $"The chat template is codellama-70b, recognised in {folder["chat_template.jinja"]}. But the plain one is used: "
            + "The chat template codellama-70b needs the special token <step>, which the tokenizer lacks.");
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
    public void Choose_RealConfigurationOfLlama3_IsRecognised()
    {
        ITokenizer tokenizer = TestTokenizers.Get("llama3/tokenizer.model");
        Assert.Equal("llama3", ChatTemplates.Choose(TestTokenizers.Real("llama3"), LlamaFamily.Llama3, tokenizer, null, out _).Name);
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
    public void Choose_GgufFile_RecognisesTheTemplateInside()
    {
        using var folder = new TemporaryFolder();
        string file = TinyGguf.Write(folder["tiny.gguf"], changes: ("tokenizer.chat_template", "{{ '[INST] ' }}"));
        Assert.Equal("llama2", ChatTemplates.Choose(file, LlamaFamily.Llama2, SentencePiece, null, out string reason).Name);
        Assert.Contains(file, reason);
        TinyGguf.Write(folder["tiny-chat.gguf"]);
        Assert.Equal("llama2", ChatTemplates.Choose(folder["tiny-chat.gguf"], LlamaFamily.Llama2, SentencePiece, null, out _).Name);
        TinyGguf.Write(file);
        Assert.Equal("plain", ChatTemplates.Choose(file, LlamaFamily.Llama2, SentencePiece, null, out _).Name);
    }

    private static void AssertChosen(string folder, LlamaFamily family, ITokenizer tokenizer, string expected, string expectedReason)
    {
        Assert.Equal(expected, ChatTemplates.Choose(folder, family, tokenizer, null, out string reason).Name);
        Assert.Equal(expectedReason, reason);
    }
}
