using System.Text.Json;
using Llama.Model.Chat;
using Llama.Model.Chat.Jinja;
using Llama.Model.Chat.Tools;
using Llama.Model.Tests.Tokenization;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Chat.Tools;

/// <summary>Which form of calls a template has, and what becomes of conversations with tools.</summary>
public sealed class ToolFormTests
{
    private const string Tagged =
        "{% for t in tools or [] %}{{ t.function.name }};{% endfor %}{% for m in messages %}{% if m.tool_calls %}{% for c in m.tool_calls %}"
        + "<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments|tojson }}}\n</tool_call>{% endfor %}"
        + "{% else %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}";

    // As Llama 3.1's does.
    private const string OneCall =
        "{% for t in tools or [] %}{{ t.function.name }};{% endfor %}{% for m in messages %}{% if m.tool_calls %}"
        + "{% if not m.tool_calls|length == 1 %}{{ raise_exception('one call only') }}{% endif %}"
        + "{\"name\": \"{{ m.tool_calls[0].function.name }}\", \"parameters\": {{ m.tool_calls[0].function.arguments|tojson }}}"
        + "{% else %}[{{ m.role }}{% if m.builtin %}{{ builtin_tools }}{% endif %}]{{ m.content }}{% endif %}{% endfor %}";

    private static readonly ITokenizer Tokenizer = TestTokenizers.Get("small-tiktoken");
    private static readonly ChatMessage Question = new("user", "Q");

    [Fact]
    public void Form_OfTemplates_IsWhatTheyWrite()
    {
        Assert.Equal((ToolFormKind.Tagged, true, true), Shape(Tagged));
        Assert.Equal((ToolFormKind.Json, true, false), Shape(OneCall));
        Assert.Equal((ToolFormKind.Json, false, true), Shape("{% for m in messages %}{{ m.content }}{% endfor %}"));
        Assert.Equal((ToolFormKind.Json, false, true), Shape("{{ raise_exception('no') }}"));
        Assert.Equal((ToolFormKind.Json, false, true), Shape("{{ tools[0].function.name }}{{ messages[-1].content }}"));
    }

    /// <summary>The files lie beside the repository on some machines.</summary>
    [Theory]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", ToolFormKind.Json, true, false)]
    [InlineData("meta-llama-Llama-3.2-3B-Instruct", ToolFormKind.Json, true, false)]
    [InlineData("meta-llama-Llama-3.3-70B-Instruct", ToolFormKind.Json, true, false)]
    [InlineData("NousResearch-Hermes-3-Llama-3.1-8B-tool_use", ToolFormKind.Tagged, true, true)]
    [InlineData("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", ToolFormKind.Tagged, true, true)]
    [InlineData("meetkai-functionary-medium-v3.1", ToolFormKind.Function, true, true)]
    [InlineData("mistralai-Mistral-Nemo-Instruct-2407", ToolFormKind.Json, false, true)]
    [InlineData("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", ToolFormKind.Json, false, true)]
    [InlineData("HuggingFaceTB-SmolLM3-3B", ToolFormKind.Json, false, true)]
    [InlineData("chatml", ToolFormKind.Json, false, true)]
    public void Form_OfRealTemplates_IsTheirs(string name, ToolFormKind kind, bool isOwn, bool takesSeveral)
    {
        string file = Path.Combine(TestPaths.Beside, "templates", name + ".jinja");
        Assert.SkipUnless(File.Exists(file), $"needs {file}");
        Assert.Equal((kind, isOwn, takesSeveral), Shape(File.ReadAllText(file)));
    }

    [Fact]
    public void Render_BuiltInTools_AreToldToLlama31()
    {
        string file = Path.Combine(TestPaths.Beside, "templates", "meta-llama-Llama-3.1-8B-Instruct.jinja");
        Assert.SkipUnless(File.Exists(file), $"needs {file}");
        ChatTemplate template = Create(File.ReadAllText(file));
        string search = """[{"type":"function","function":{"name":"brave_search","description":"","parameters":{"type":"object","properties":{"query":{"type":"string"}}}}}]""";
        ChatMessage call = ToolMessages.Calling(null, [new ToolCall("c", "brave_search", """{"query": "x"}""")]);
        string text = Tokenizer.Decode(template.Render([Question, call, ToolMessages.Result("c", null, "R")], Options(search)));
        Assert.Contains("Tools: brave_search\n", text, StringComparison.Ordinal);
        Assert.Contains("brave_search.call(query=\"x\")", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Tools:", Tokenizer.Decode(template.Render([Question], Options(search.Replace("query", "q", StringComparison.Ordinal)))), StringComparison.Ordinal);
    }

    [Fact]
    public void Render_SeveralCalls_AreOneAMessageWhereTheTemplateTakesNoMore()
    {
        ChatMessage[] messages =
        [
            Question, ToolMessages.Calling(null, [new ToolCall("1", "f", "{}"), new ToolCall("2", "f", """{"a": 1}""")]),
            ToolMessages.Result("2", null, "two"), ToolMessages.Result("1", null, "one"), new("user", "R"),
        ];
        Assert.Equal(
            "f;[user]Q{\"name\": \"f\", \"parameters\": {}}[tool]one{\"name\": \"f\", \"parameters\": {\"a\": 1}}[tool]two[user]R",
            Tokenizer.Decode(Create(OneCall).Render(messages, Options())));
        Assert.Equal(
            "f;[user]Q<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call><tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"
            + "[tool]two[tool]one[user]R",
            Tokenizer.Decode(Create(Tagged).Render(messages, Options())));
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("llama2")]
    public void Render_TemplateWithoutTools_HasThemAsText(string name)
    {
        ChatTemplate template = ChatTemplates.Create(name, TestTokenizers.Get("tinystories"));
        ChatMessage[] messages =
        [
            new("system", "S"), Question, ToolMessages.Calling("Hm", [new ToolCall("1", "f", """{"a": 1}"""), new ToolCall("2", "g", "{}")]),
            ToolMessages.Result("1", null, "one"), ToolMessages.Result("2", "g", "two"), new("user", "R"),
        ];
        string text = TestTokenizers.Get("tinystories").Decode(template.Render(messages, Options()));
        foreach (string part in (string[])
        [
            "S\n\nYou have access", "{\"name\":\"f\"}", "Hm\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n{\"name\": \"g\", \"parameters\": {}}",
            "The function f returned:\none\n\nThe function g returned:\ntwo\n\nR",
        ])
        {
            Assert.Contains(part, text, StringComparison.Ordinal);
        }

        // Without tools in this request the calls before are text all the same.
        string without = TestTokenizers.Get("tinystories").Decode(template.Render(messages));
        Assert.DoesNotContain("You have access", without, StringComparison.Ordinal);
        Assert.Contains("The function f returned:", without, StringComparison.Ordinal);
    }

    [Fact]
    public void Render_ArgumentsThatAreNoObject_StayText()
    {
        ChatMessage call = ToolMessages.Calling(null, [new ToolCall("1", "f", "{oops")]);
        Assert.Equal(
            "f;[user]Q<tool_call>\n{\"name\": \"f\", \"arguments\": \"{oops\"}\n</tool_call>", Tokenizer.Decode(Create(Tagged).Render([Question, call], Options())));
        Assert.Equal(new ToolCall("1", "f", "{oops"), Assert.Single(ToolMessages.CallsOf(call)));
    }

    private static (ToolFormKind Kind, bool IsOwn, bool TakesSeveral) Shape(string template)
    {
        ToolForm form = Create(template).ToolForm;
        return (form.Kind, form.IsOwn, form.TakesSeveral);
    }

    private static ChatOptions Options(string tools = """[{"type":"function","function":{"name":"f"}}]""") => new() { Tools = JsonElement.Parse(tools) };

    private static CheckpointTemplate Create(string text) =>
        new(new Dictionary<string, JinjaTemplate> { ["default"] = JinjaTemplate.Parse(text) }, Tokenizer, TimeProvider.System);
}
