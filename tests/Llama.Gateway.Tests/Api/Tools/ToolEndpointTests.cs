using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Grammars;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Tests.Api.Tools;

/// <summary>Tools through <c>/v1/chat/completions</c>.</summary>
public sealed class ToolEndpointTests
{
    private const string Chat = "/v1/chat/completions";

    private const string Weather =
        """[{"type":"function","function":{"name":"get_weather","description":"W","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}},{"type":"function","function":{"name":"now"}}]""";

    private const string Hermes =
        "{% for t in tools or [] %}{{ t|tojson }}{% endfor %}{% for m in messages %}[{{ m.role }}]{{ m.content if m.content is not none }}{% for c in m.tool_calls %}"
        + "<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments|tojson }}}\n</tool_call>{% endfor %}{% endfor %}";

    [Fact]
    public async Task Post_ModelCalls_AnswersWithTheCalls()
    {
        await using var gateway = await StartAsync("Wait.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>");
        var answer = await gateway.PostOkAsync(Chat, Request());
        var choice = answer.GetProperty("choices")[0];
        Assert.Equal("tool_calls", choice.GetProperty("finish_reason").GetString());
        var message = choice.GetProperty("message");
        Assert.Equal("Wait.", message.GetProperty("content").GetString());
        var calls = message.GetProperty("tool_calls");
        Assert.Equal(2, calls.GetArrayLength());
        Assert.Equal("""{"name":"get_weather","arguments":"{\"city\": \"Köln\"}"}""", calls[0].GetProperty("function").GetRawText());
        Assert.Equal("""{"name":"now","arguments":"{}"}""", calls[1].GetProperty("function").GetRawText());
        Assert.All(calls.EnumerateArray(), call => Assert.Equal("function", call.GetProperty("type").GetString()));
        Assert.Equal(2, calls.EnumerateArray().Select(call => call.GetProperty("id").GetString()).Distinct().Count());
        Assert.StartsWith("call_", calls[0].GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Null(gateway.Grain.Single.Grammar);
        Assert.Contains("\"name\": \"get_weather\", \"description\": \"W\"", Said(gateway.Grain.Single), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_OnlyCalls_HasNoContent()
    {
        await using var gateway = await StartAsync("<tool_call>{\"name\": \"now\"}</tool_call>");
        var message = (await gateway.PostOkAsync(Chat, Request())).GetProperty("choices")[0].GetProperty("message");
        Assert.Equal(JsonValueKind.Null, message.GetProperty("content").ValueKind);
    }

    [Fact]
    public async Task Post_Stream_HasTheCallsInParts()
    {
        await using var gateway = await StartAsync("Hm <tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": 1}}</tool_call><tool_call>{\"name\": \"now\"}</tool_call>");
        var parts = await gateway.PostPartsAsync(Chat, Request(",\"stream\":true"));
        var choices = parts.Select(part => part.GetProperty("choices")[0]).ToList();
        Assert.Equal("assistant", choices[0].GetProperty("delta").GetProperty("role").GetString());
        Assert.Equal("Hm", string.Concat(choices.Select(choice => choice.GetProperty("delta")).Select(delta => delta.TryGetProperty("content", out var content) ? content.GetString() : "")));
        var calls = choices.SelectMany(choice => choice.GetProperty("delta").TryGetProperty("tool_calls", out var list) ? list.EnumerateArray().ToList() : []).ToList();
        Assert.All(calls.Where(call => call.GetProperty("index").GetInt32() == 0).Skip(1), call =>
        {
            Assert.False(call.TryGetProperty("id", out _));
            Assert.False(call.GetProperty("function").TryGetProperty("name", out _));
        });
        Assert.Equal(
            ("get_weather", "function"), (calls[0].GetProperty("function").GetProperty("name").GetString(), calls[0].GetProperty("type").GetString()));
        Assert.True(calls.Count > 5, "The arguments came in one piece.");
        Assert.Equal(["{\"city\": 1}", "{}"], calls.GroupBy(call => call.GetProperty("index").GetInt32()).Select(call =>
            string.Concat(call.Select(part => part.GetProperty("function").GetProperty("arguments").GetString()))));
        Assert.Equal("tool_calls", choices[^1].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Post_NotParallel_EndsWithTheFirstCall()
    {
        await using var gateway = await StartAsync("<tool_call>{\"name\": \"now\"}</tool_call><tool_call>{\"name\": \"now\"}</tool_call>");
        var choice = (await gateway.PostOkAsync(Chat, Request(",\"parallel_tool_calls\":false"))).GetProperty("choices")[0];
        Assert.Equal(1, choice.GetProperty("message").GetProperty("tool_calls").GetArrayLength());
        Assert.Equal("tool_calls", choice.GetProperty("finish_reason").GetString());
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal(1, gateway.Grain.Cancelled);
    }

    [Fact]
    public async Task Post_LengthWithinACall_HasWhatThereIs()
    {
        await using var gateway = await StartAsync("<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"K");
        var choice = (await gateway.PostOkAsync(Chat, Request(",\"max_tokens\":57"))).GetProperty("choices")[0];
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        Assert.StartsWith("{\"city\"", choice.GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_ChoiceNone_TellsTheModelOfNoToolAndLooksForNoCall()
    {
        const string Text = "<tool_call>{\"name\": \"now\"}</tool_call>";
        await using var gateway = await StartAsync(Text);
        var choice = (await gateway.PostOkAsync(Chat, Request(",\"tool_choice\":\"none\""))).GetProperty("choices")[0];
        Assert.Equal((Text, "stop"), (choice.GetProperty("message").GetProperty("content").GetString(), choice.GetProperty("finish_reason").GetString()));
        Assert.DoesNotContain("get_weather", Said(gateway.Grain.Single), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(",\"tool_choice\":\"required\"", "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", true)]
    [InlineData(",\"tool_choice\":\"required\"", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"x\", \"b\": 1}}\n</tool_call>", false)]
    [InlineData(",\"tool_choice\":\"required\"", "No.", false)]
    [InlineData(",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}", "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", false)]
    [InlineData(",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"\"}}\n</tool_call>", true)]
    [InlineData(",\"response_format\":{\"type\":\"json_object\"}", "{\"a\": 1}", true)]
    [InlineData(",\"response_format\":{\"type\":\"json_object\"}", "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", true)]
    [InlineData(",\"response_format\":{\"type\":\"json_object\"}", "No.", false)]
    public async Task Post_CallIsEnforced_FollowsAGrammar(string more, string text, bool isAllowed)
    {
        await using var gateway = await StartAsync("");
        await gateway.PostOkAsync(Chat, Request(more));
        var asked = gateway.Grain.Single.Grammar!;
        var tokenizer = new TestTokenizer();
        var matcher = Grammar.Compile(new GrammarSource(asked.Kind, asked.Text), new GrammarVocabulary(tokenizer), [TestTokenizer.End]).Begin(asked.StartsText);
        Assert.Equal(isAllowed, tokenizer.Encode(text).Append(TestTokenizer.End).All(matcher.TryTake));
    }

    [Fact]
    public async Task Post_StrictFunction_EnforcesCallsButAllowsText()
    {
        await using var gateway = await StartAsync("");
        await gateway.PostOkAsync(Chat, Request().Replace("\"name\":\"now\"", "\"name\":\"now\",\"strict\":true", StringComparison.Ordinal));
        var asked = gateway.Grain.Single.Grammar!;
        var tokenizer = new TestTokenizer();
        var matcher = Grammar.Compile(new GrammarSource(asked.Kind, asked.Text), new GrammarVocabulary(tokenizer), [TestTokenizer.End]).Begin(asked.StartsText);
        Assert.True(tokenizer.Encode("It is <tool_call>\n{\"name\": \"now\", \"arguments\": {").All(matcher.TryTake));
        Assert.False(matcher.TryTake('"'));
    }

    [Fact]
    public async Task Post_ResultsInTheHistory_ReachTheTemplate()
    {
        await using var gateway = await StartAsync("Done.");
        await gateway.PostOkAsync(Chat, $$$"""
            {"messages":[{"role":"user","content":"Q"},
             {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"now","arguments":"{\"a\": [1.50]}"}}]},
             {"role":"tool","tool_call_id":"c1","name":"now","content":[{"type":"text","text":"noon"}]}],"tools":{{{Weather}}}}
            """);
        Assert.EndsWith(
            "[user]Q[assistant]<tool_call>\n{\"name\": \"now\", \"arguments\": {\"a\": [1.5]}}\n</tool_call>[tool]noon", Said(gateway.Grain.Single), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"a b"}}]}""", "tools[0].function.name", "found 'a b'")]
    [InlineData("""{"tools":[{"type":"function","function":{}}]}""", "tools[0].function.name", "is missing")]
    [InlineData("""{"tools":[{"type":"function"}]}""", "tools[0].function", "is missing")]
    [InlineData("""{"tools":[{"function":{"name":"f"}},{"function":{"name":"f"}}]}""", "tools[1].function.name", "another tool")]
    [InlineData("""{"tools":[{"function":{"name":"f","parameters":{"type":"array"}}}]}""", "tools[0].function.parameters", "must be \"object\"")]
    [InlineData("""{"tools":[{"function":{"name":"f","parameters":"{oops"}}]}""", "tools[0].function.parameters", "a JSON schema")]
    [InlineData("""{"tools":[{"function":{"name":"f","parameters":{"properties":{},"properties":{}}}}],"tool_choice":"required","x":1}""", "x", "is not a field")]
    [InlineData("""{"tools":[{"function":{"name":"f","strict":true,"parameters":{"type":"object","not":{}}}}]}""", "tools[0].function.parameters", "the parameters of 'f': ")]
    [InlineData("""{"tool_choice":"required"}""", "tool_choice", "without tools")]
    [InlineData("""{"tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{"name":"g"}}}""", "tool_choice", "expected one of tools: f")]
    [InlineData("""{"tools":[{"function":{"name":"f"}}],"tool_choice":"required","ignore_eos":true}""", "ignore_eos", "goes on behind the end")]
    [InlineData("""{"functions":[{"name":"f"}]}""", "functions", "Use tools.")]
    [InlineData("""{"function_call":{"name":"f"}}""", "function_call", "Use tool_choice.")]
    public async Task Post_WrongTools_Answers400NamingTheField(string fields, string param, string message)
    {
        await using var gateway = await StartAsync("");
        var error = await gateway.PostErrorAsync(Chat, """{"messages":[{"role":"user","content":"Q"}],""" + fields[1..]);
        Assert.Equal((400, param), (error.Status, error.Param));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"role":"user","content":"Q","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}""", "messages[0].tool_calls", "found the role user")]
    [InlineData("""{"role":"user","content":"Q","tool_call_id":"c"}""", "messages[0].tool_call_id", "a result of a tool")]
    [InlineData("""{"role":"assistant","content":null}""", "messages[0].content", "is missing")]
    [InlineData("""{"role":"tool","tool_call_id":"c"}""", "messages[0].content", "is missing")]
    [InlineData("""{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]}""", "messages[0].tool_calls[0].function.arguments", "is missing")]
    [InlineData("""{"role":"assistant","content":"","function_call":{}}""", "messages[0].function_call", "Use tool_calls.")]
    public async Task Post_WrongMessages_Answers400NamingTheField(string message, string param, string text)
    {
        await using var gateway = await StartAsync("");
        var error = await gateway.PostErrorAsync(Chat, $$"""{"messages":[{{message}}]}""");
        Assert.Equal((400, param), (error.Status, error.Param));
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_SchemaWithAPropertyTwice_IsNotAFault()
    {
        await using var gateway = await StartAsync("Hi");
        await gateway.PostOkAsync(Chat, """{"messages":[{"role":"user","content":"Q"}],"tools":[{"function":{"name":"f","parameters":{"properties":{},"properties":{}}}}],"tool_choice":"required"}""");
    }

    [Fact]
    public async Task Post_RetryOfARequest_HasTheSameCallIds()
    {
        await using var gateway = await StartAsync("<tool_call>{\"name\": \"now\"}</tool_call>");
        gateway.Client.DefaultRequestHeaders.Add("Idempotency-Key", "k");
        var ids = new List<string?>();
        for (var i = 0; i < 2; i++)
        {
            ids.Add((await gateway.PostOkAsync(Chat, Request())).GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls")[0].GetProperty("id").GetString());
        }

        Assert.Single(ids.Distinct());
        Assert.Single(gateway.Grain.Requests);
    }

    private static string Said(GenerationRequest request) => new TestTokenizer().Decode(request.PromptTokens);

    private static string Request(string more = "") => $$"""{"messages":[{"role":"user","content":"Q"}],"tools":{{Weather}}{{more}}}""";

    private static async Task<TestGateway> StartAsync(string answer)
    {
        var tokenizer = new TestTokenizer();
        var gateway = await TestGateway.StartAsync(tokenizer, jinja: Hermes);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        gateway.Grain.Script = _ => [.. tokenizer.Encode(answer), TestTokenizer.End];
        return gateway;
    }
}
