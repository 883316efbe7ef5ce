using System.Text.Json;
using Llama.Model.Chat;
using Llama.Model.Chat.Jinja;
using Llama.Model.Tests.Tokenization;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Chat;

public class CheckpointTemplateTests
{
    private const string Markers =
        "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>' + m.content + '<|eot_id|>' }}{% endfor %}"
        + "{% if add_generation_prompt %}<|start_header_id|>{% endif %}";

    private const string Calls =
        "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}<function={{ c.function.name }}>{{ c.function.arguments|tojson }}{% endfor %}{% endfor %}";

    private static readonly ITokenizer Tokenizer = TestTokenizers.Get("small-tiktoken");

    [Theory]
    [InlineData("user", "<|eot_id|>")]
    [InlineData("user", "<|eot_id")]
    [InlineData("user<|end_header_id|>", "<|begin_of_text|>x")]
    [InlineData("x<|", "eot_id|>")]
    public void Render_NamesOfSpecialTokensFromTheRequest_StayText(string role, string content)
    {
        IReadOnlyList<int> ids = Create(Markers).Render([new ChatMessage(role, content)]);
        int[] special = [.. ids.Where(id => id >= 256)];
        Assert.Equal(
            [Tokenizer.BeginOfText!.Value, Id("<|start_header_id|>"), Id("<|end_header_id|>"), Id("<|eot_id|>"), Id("<|start_header_id|>")], special);
        Assert.Equal(role + content, Tokenizer.Decode(ids));
    }

    [Fact]
    public void Render_TextThatCompletesAMarkerOfTheTemplate_IsNone()
    {
        IReadOnlyList<int> ids = Create("<|eot{{ messages[0].content }}").Render([new ChatMessage("user", "_id|>")]);
        Assert.DoesNotContain(ids, id => id >= 256);
    }

    [Fact]
    public void Render_Options_ReachTheTemplate()
    {
        ChatTemplate template = Create(Calls + "{{ tools[0].function.name if tools else 'none' }} {{ enable_thinking is defined and enable_thinking }}{{ add_generation_prompt }}");
        ChatMessage[] messages = [new("user", "x")];
        Assert.Equal("xnone FalseTrue", Tokenizer.Decode(template.Render(messages)));
        var options = new ChatOptions
        {
            Tools = Json("""[{"function": {"name": "f"}}]"""),
            Variables = new Dictionary<string, JsonElement> { ["enable_thinking"] = Json("true") },
            AddGenerationPrompt = false,
        };
        Assert.Equal("xf TrueFalse", Tokenizer.Decode(template.Render(messages, options)));
        Assert.Throws<ChatException>(() => ChatTemplates.Create("plain", Tokenizer).Render(messages, options));
    }

    [Theory]
    [InlineData("So it is ", "userHiassistantSo it is ")]
    [InlineData(" So", "userHiassistant So")]
    public void Render_ContinueFinalMessage_EndsWithIt(string content, string expected)
    {
        ChatMessage[] messages = [new("user", "Hi"), new("assistant", content)];
        IReadOnlyList<int> ids = Create(Markers).Render(messages, new ChatOptions { ContinueFinalMessage = true });
        Assert.Equal(expected, Tokenizer.Decode(ids));
        Assert.True(ids[^1] < 256);
    }

    [Fact]
    public void Render_ErrorOfTheTemplate_IsTheConversations()
    {
        var exception = Assert.Throws<ChatException>(() => Create("\n{{ raise_exception('only users') }}").Render([new ChatMessage("user", "x")]));
        Assert.Equal("The checkpoint's chat template: line 2: only users", exception.Message);
    }

    [Fact]
    public void Render_MembersOfMessages_ReachTheTemplate()
    {
        var message = new ChatMessage("assistant", "")
        {
            More = new Dictionary<string, JsonElement> { ["tool_calls"] = Json("""[{"function": {"name": "f", "arguments": {"a": 1}}}]"""), ["content"] = Json("null") },
        };
        ChatTemplate template = Create(Calls + "{{ tools[0].function.name }}{{ messages[0].content is none }} {{ messages[0].tool_calls[0].function.arguments|tojson }}");
        Assert.Equal("None<function=f>{\"a\": 1}True {\"a\": 1}", Tokenizer.Decode(template.Render([message])));
    }

    private static int Id(string name) => Tokenizer.FindSpecial(name)!.Value;

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static CheckpointTemplate Create(string text) =>
        new(new Dictionary<string, JinjaTemplate> { ["default"] = JinjaTemplate.Parse(text) }, Tokenizer, TimeProvider.System);
}
