using System.Text;
using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;

namespace Llama.Gateway.Tests.Api.Messages;

public sealed class MessageEndpointsTests
{
    private const string Path = "/v1/messages";
    private const string Reasons =
        "{% for message in messages %}{{ message.reasoning_content }}{{ message.content }}|{% endfor %}{% if false %}</think>{% endif %}";

    /// <summary>A template with tools.</summary>
    private const string Hermes =
        "{{ tools|tojson if tools }}{% for m in messages %}[{{ m.role }}]{{ m.content if m.content is not none }}{% for c in m.tool_calls %}"
        + "<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments|tojson }}}\n</tool_call>{% endfor %}{% endfor %}";

    [Fact]
    public async Task Post_Turns_AnswersWithAMessage()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Client.DefaultRequestHeaders.Add("anthropic-version", "2023-06-01");
        gateway.Grain.CachedTokens = _ => 2;
        using var response = await gateway.PostAsync(
            Path + "?beta=true",
            """
            {"model":"test-model","max_tokens":20,"seed":7,"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}},{"type":"text","text":"T"}],
             "messages":[{"role":"user","content":"A"},{"role":"user","content":[{"type":"text","text":"B"},{"type":"text","text":"C"}]}]}
            """);
        var message = JsonElement.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("S\nT\nA\nB\nC", PromptOf(gateway.Grain.Single));
        Assert.Equal(20, gateway.Grain.Single.MaxTokens);
        Assert.StartsWith("msg_", message.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal(
            $$$"""
            {"id":"{{{message.GetProperty("id").GetString()}}}","type":"message","role":"assistant","model":"test-model","content":[{"type":"text","text":"Hello."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":8,"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":7},"seed":7}
            """,
            message.GetRawText());
        Assert.Equal(response.Headers.GetValues("x-request-id"), response.Headers.GetValues("request-id"));
    }

    [Fact]
    public async Task PostStream_Turns_EventsAreAnthropics()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['H', 'i', TestTokenizer.End];
        var events = await gateway.PostEventsAsync(Path, """{"messages":[{"role":"user","content":"A"}],"max_tokens":9,"seed":7,"stream":true}""");
        var id = events[0].GetProperty("message").GetProperty("id").GetString();
        Assert.Equal(
            [
                $$$"""{"type":"message_start","message":{"id":"{{{id}}}","type":"message","role":"assistant","model":"test-model","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1},"seed":7}}""",
                """{"type":"ping"}""",
                """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""",
                """{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"H"}}""",
                """{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"i"}}""",
                """{"type":"content_block_stop","index":0}""",
                """{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}""",
                """{"type":"message_stop"}""",
            ],
            events.Select(one => one.GetRawText()));
    }

    [Fact]
    public async Task Post_ModelThatThinks_ThinkingIsABlockThatCanBeSentAgain()
    {
        const string question = """{"role":"user","content":"A"}""";
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), jinja: Reasons);
        gateway.Grain.Script = _ => [.. "<think>a</think>B".Select(character => (int)character), TestTokenizer.End];
        var content = (await gateway.PostOkAsync(Path, $$"""{"messages":[{{question}}],"max_tokens":30}""")).GetProperty("content").GetRawText();
        Assert.Equal("""[{"type":"thinking","thinking":"a","signature":""},{"type":"text","text":"B"}]""", content);
        var events = await gateway.PostEventsAsync(Path, $$"""{"messages":[{{question}}],"max_tokens":30,"stream":true}""");
        Assert.Contains("""{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}""", events.Select(one => one.GetRawText()));
        Assert.Contains("""{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}""", events.Select(one => one.GetRawText()));
        Assert.Contains("""{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"B"}}""", events.Select(one => one.GetRawText()));
        gateway.Grain.Requests.Clear();
        await gateway.PostOkAsync(Path, $$"""{"messages":[{{question}},{"role":"assistant","content":{{content}}},{{question}}],"max_tokens":9}""");
        Assert.Equal("A|aB|A|", PromptOf(gateway.Grain.Single));
    }

    [Fact]
    public async Task PostStream_ModelCalls_CallsAreBlocksThatCanBeAnswered()
    {
        const string tools = """[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}},{"name":"now"}]""";
        const string said = """Hm<tool_call>{"name": "get_weather", "arguments": {"city": 1}}</tool_call><tool_call>{"name": "now"}</tool_call>""";
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), jinja: Hermes);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        gateway.Grain.Script = request => request.PromptTokens.Contains('Z') ? ['K', TestTokenizer.End] : [.. said.Select(character => (int)character), TestTokenizer.End];
        const string question = """{"role":"user","content":"A"}""";
        var whole = await gateway.PostOkAsync(Path, $$"""{"messages":[{{question}}],"max_tokens":200,"tools":{{tools}}}""");
        Assert.Equal("tool_use", whole.GetProperty("stop_reason").GetString());
        var events = await gateway.PostEventsAsync(Path, $$"""{"messages":[{{question}}],"max_tokens":200,"stream":true,"tools":{{tools}}}""");
        var starts = events.Where(one => one.GetProperty("type").GetString() == "content_block_start").Select(one => one.GetProperty("content_block")).ToList();
        Assert.Equal(["text", "tool_use", "tool_use"], starts.Select(block => block.GetProperty("type").GetString()));
        Assert.All(starts.Skip(1), block => Assert.Equal("{}", block.GetProperty("input").GetRawText()));
        var deltas = events.Where(one => one.GetProperty("type").GetString() == "content_block_delta").ToLookup(one => one.GetProperty("index").GetInt32(), one => one.GetProperty("delta"));
        Assert.Equal("""{"city": 1}""", string.Concat(deltas[1].Select(delta => delta.GetProperty("partial_json").GetString())));
        Assert.Equal("tool_use", events[^2].GetProperty("delta").GetProperty("stop_reason").GetString());

        var content = whole.GetProperty("content");
        Assert.Equal("""{"city": 1}""", content[1].GetProperty("input").GetRawText());
        var results = string.Join(',', content.EnumerateArray().Skip(1).Select((block, i) =>
            $$"""{"type":"tool_result","tool_use_id":"{{block.GetProperty("id").GetString()}}","content":[{"type":"text","text":"Z{{i}}"}]}"""));
        var last = await gateway.PostOkAsync(
            Path, $$"""{"messages":[{{question}},{"role":"assistant","content":{{content.GetRawText()}}},{"role":"user","content":[{{results}},{"type":"text","text":"B"}]}],"max_tokens":200,"tools":{{tools}}}""");
        Assert.Equal("end_turn", last.GetProperty("stop_reason").GetString());
        Assert.EndsWith(
            "[user]A[assistant]Hm<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": 1}}\n</tool_call><tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>[tool]Z0[tool]Z1[user]B", PromptOf(gateway.Grain.Requests.Last()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"stop_sequences":["x","ll"]}""", "stop_sequence", "ll", "He")]
    [InlineData("""{"max_tokens":2}""", "max_tokens", null, "He")]
    [InlineData("{}", "end_turn", null, "Hello.")]
    public async Task Post_Ends_SaysWhy(string fields, string reason, string? sequence, string text)
    {
        await using var gateway = await TestGateway.StartAsync();
        var request = $$"""{"messages":[{"role":"user","content":"A"}],{{(fields.Contains("max_tokens", StringComparison.Ordinal) ? "" : "\"max_tokens\":20,")}}{{fields[1..^1]}}""".TrimEnd(',') + "}";
        var message = await gateway.PostOkAsync(Path, request);
        Assert.Equal(
            (reason, sequence, text),
            (message.GetProperty("stop_reason").GetString(), message.GetProperty("stop_sequence").GetString(), message.GetProperty("content")[0].GetProperty("text").GetString()));
    }

    [Fact]
    public async Task Post_LastTurnOfTheAssistant_IsGoneOnWithWhereTheTemplateCan()
    {
        const string request = """{"messages":[{"role":"user","content":"A"},{"role":"assistant","content":"B"}],"max_tokens":9}""";
        await using var own = await TestGateway.StartAsync(new TestTokenizer(), jinja: Reasons);
        await own.PostOkAsync(Path, request);
        Assert.Equal("A|B", PromptOf(own.Grain.Single));
        await using var plain = await TestGateway.StartAsync();
        (await plain.PostErrorAsync(Path, request)).Is(400, "messages", "ends with the assistant's", "unsupported_parameter");
    }

    [Fact]
    public async Task CountTokens_Turns_AreAsManyAsTheAnswerTells()
    {
        await using var gateway = await TestGateway.StartAsync();
        const string turns = """{"system":"S","messages":[{"role":"user","content":"Hello"}]""";
        var counted = await gateway.PostOkAsync(Path + "/count_tokens", turns + "}");
        var message = await gateway.PostOkAsync(Path, turns + ""","max_tokens":9}""");
        Assert.Equal("""{"input_tokens":8}""", counted.GetRawText());
        Assert.Equal(8, message.GetProperty("usage").GetProperty("input_tokens").GetInt32());
        Assert.Single(gateway.Grain.Requests);
    }

    [Fact]
    public async Task PostStream_FaultInItsMidst_EndsWithAnthropicsError()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, _) =>
            position == 2 ? throw new GenerationException(GenerationError.Unavailable, "The stage was lost.") : Task.CompletedTask;
        var events = await gateway.PostEventsAsync(Path, """{"messages":[{"role":"user","content":"A"}],"max_tokens":9,"stream":true}""");
        var error = ApiError.Read(events[^1], 200);
        Assert.Equal(("overloaded_error", "The stage was lost."), (error.Type, error.Message));
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"A"}]}""", "max_tokens", "max_tokens is missing")]
    [InlineData("""{"max_tokens":9}""", "messages", "messages is missing")]
    [InlineData("""{"max_tokens":9,"messages":[]}""", "messages", "messages is empty")]
    [InlineData("""{"max_tokens":9,"messages":[{"role":"system","content":"A"}]}""", "messages[0].role", "must be \"user\" or \"assistant\"")]
    [InlineData("""{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"image"}]}]}""", "messages[0].content[0].type", "found the string \"image\"")]
    [InlineData("""{"max_tokens":9,"messages":[{"role":"user","content":[{"text":"A"}]}]}""", "messages[0].content[0].type", "is missing")]
    [InlineData("""{"max_tokens":9,"messages":[{"role":"user","content":"A"}],"stop":["x"]}""", "stop", "Use stop_sequences.")]
    [InlineData("""{"max_tokens":9,"messages":[{"role":"user","content":"A"}],"sistem":"x"}""", "sistem", "did you mean system?")]
    [InlineData("""{"max_tokens":9,"messages":[{"role":"user","content":"A"}],"thinking":{"type":"enabled","budget_tokens":1024}}""", "thinking", "is not supported")]
    [InlineData("""{"max_tokens":9,"messages":[{"role":"user","content":"A"}],"stop_sequences":[""]}""", "stop_sequences", "not empty")]
    public async Task Post_BadField_AnswersInAnthropicsForm(string json, string param, string message)
    {
        await using var gateway = await TestGateway.StartAsync();
        var error = await gateway.PostErrorAsync(Path, json);
        Assert.Equal((400, param, "invalid_request_error"), (error.Status, error.Param, error.Type));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_UnknownModelOrMethod_AnswersInAnthropicsForm()
    {
        await using var gateway = await TestGateway.StartAsync();
        var unknown = await gateway.PostErrorAsync(Path, """{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"A"}]}""");
        Assert.Equal((404, "not_found_error", "model_not_found"), (unknown.Status, unknown.Type, unknown.Code));
        using var got = await gateway.Client.GetAsync(Path, TestContext.Current.CancellationToken);
        Assert.Equal((405, "invalid_request_error"), ((await ApiError.ReadAsync(got)) is var error ? (error.Status, error.Type) : default));
    }

    private static string PromptOf(GenerationRequest request) =>
        Encoding.UTF8.GetString([.. request.PromptTokens.Where(token => token < TestTokenizer.Begin).Select(token => (byte)token)]);
}
