using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Llama.Gateway.Tests.Api.Keys;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Grains.Keys;

namespace Llama.Gateway.Tests.Api.Responses;

public sealed class ResponseEndpointsTests
{
    private const string Path = "/v1/responses";

    /// <summary>A template that shows reasoning, and of a model that reasons.</summary>
    private const string Reasons =
        "{% for message in messages %}{{ message.reasoning_content }}{{ message.content }}|{% endfor %}{% if false %}</think>{% endif %}";

    /// <summary>A template with tools.</summary>
    private const string Hermes =
        "{{ tools|tojson if tools }}{% for m in messages %}[{{ m.role }}]{{ m.content if m.content is not none }}{% for c in m.tool_calls %}"
        + "<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments|tojson }}}\n</tool_call>{% endfor %}{% endfor %}";

    [Fact]
    public async Task Post_Text_AnswersWithAResponse()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.CachedTokens = _ => 2;
        var response = await gateway.PostOkAsync(
            Path, """{"model":"test-model","input":"Hi","instructions":"Be","metadata":{"a":"b"},"temperature":0.5,"seed":7,"max_output_tokens":20}""");
        var id = response.GetProperty("id").GetString()!;
        Assert.StartsWith("resp_", id, StringComparison.Ordinal);
        Assert.Equal("Be\nHi", PromptOf(gateway.Grain.Single));
        Assert.Equal(20, gateway.Grain.Single.MaxTokens);
        Assert.Equal(
            $$$"""
            {"id":"{{{id}}}","object":"response","created_at":{{{response.GetProperty("created_at")}}},"status":"completed","background":false,"error":null,"incomplete_details":null,"instructions":"Be","max_output_tokens":20,"model":"test-model","output":[{"id":"msg_{{{id[5..]}}}0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello.","annotations":[],"logprobs":[]}]}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"seed":7,"service_tier":"default","store":true,"temperature":0.5,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1,"truncation":"disabled","metadata":{"a":"b"},"usage":{"input_tokens":6,"input_tokens_details":{"cached_tokens":2},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}}
            """,
            response.GetRawText());
    }

    [Fact]
    public async Task PostStream_Text_EventsAreInOpenAIsOrderAndNumbered()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['H', 'i', TestTokenizer.End];
        var events = await gateway.PostEventsAsync(Path, """{"input":[{"role":"user","content":[{"type":"input_text","text":"A"}]}],"stream":true,"seed":7}""");
        Assert.Equal(
            [
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
                "response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
            ],
            events.Select(one => one.GetProperty("type").GetString()));
        Assert.Equal(Enumerable.Range(0, 10), events.Select(one => one.GetProperty("sequence_number").GetInt32()));
        var begun = events[0].GetProperty("response");
        Assert.Equal(
            ("in_progress", "[]", JsonValueKind.Null),
            (begun.GetProperty("status").GetString(), begun.GetProperty("output").GetRawText(), begun.GetProperty("usage").ValueKind));
        var item = $"msg_{begun.GetProperty("id").GetString()![5..]}0";
        Assert.Equal(
            [
                $$$"""{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"{{{item}}}","type":"message","status":"in_progress","role":"assistant","content":[]}}""",
                $$$"""{"type":"response.content_part.added","sequence_number":3,"item_id":"{{{item}}}","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}""",
                $$$"""{"type":"response.output_text.delta","sequence_number":4,"item_id":"{{{item}}}","output_index":0,"content_index":0,"delta":"H","logprobs":[]}""",
                $$$"""{"type":"response.output_text.delta","sequence_number":5,"item_id":"{{{item}}}","output_index":0,"content_index":0,"delta":"i","logprobs":[]}""",
                $$$"""{"type":"response.output_text.done","sequence_number":6,"item_id":"{{{item}}}","output_index":0,"content_index":0,"text":"Hi","logprobs":[]}""",
                $$$"""{"type":"response.content_part.done","sequence_number":7,"item_id":"{{{item}}}","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}}""",
                $$$"""{"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":{"id":"{{{item}}}","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]}]}}""",
            ],
            events.Skip(2).SkipLast(1).Select(one => one.GetRawText()));

        // What is kept is what was answered.
        var kept = await gateway.Client.GetFromJsonAsync<JsonElement>(
            $"{Path}/{begun.GetProperty("id").GetString()}", TestContext.Current.CancellationToken);
        Assert.Equal(events[^1].GetProperty("response").GetRawText(), kept.GetRawText());
    }

    [Fact]
    public async Task PostStream_ModelThatReasons_ReasoningIsAnItemOfItsOwn()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), jinja: Reasons);
        gateway.Grain.Script = _ => [.. "<think>a</think>B".Select(character => (int)character), TestTokenizer.End];
        var events = await gateway.PostEventsAsync(Path, """{"input":"A","stream":true}""");
        Assert.Equal(
            [
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.reasoning_text.delta",
                "response.reasoning_text.done", "response.content_part.done", "response.output_item.done", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta", "response.output_text.done", "response.content_part.done",
                "response.output_item.done", "response.completed",
            ],
            events.Select(one => one.GetProperty("type").GetString()));
        var response = events[^1].GetProperty("response");
        var id = response.GetProperty("id").GetString()!;
        Assert.Equal(
            $$$"""{"id":"rs_{{{id[5..]}}}0","type":"reasoning","status":"completed","summary":[],"content":[{"type":"reasoning_text","text":"a"}]}""",
            response.GetProperty("output")[0].GetRawText());
        Assert.Equal("B", response.GetProperty("output")[1].GetProperty("content")[0].GetProperty("text").GetString());
        Assert.Equal(16, response.GetProperty("usage").GetProperty("output_tokens_details").GetProperty("reasoning_tokens").GetInt32());

        // Both go into the conversation, whether it is kept here or sent again.
        gateway.Grain.Requests.Clear();
        await gateway.PostOkAsync(Path, $$"""{"input":"C","previous_response_id":"{{id}}"}""");
        await gateway.PostOkAsync(Path, $$"""{"input":[{"role":"user","content":"A"},{{response.GetProperty("output").GetRawText()[1..^1]}},{"role":"user","content":"C"}]}""");
        Assert.Equal(["A|aB|C|", "A|aB|C|"], gateway.Grain.Requests.Select(PromptOf));
    }

    [Fact]
    public async Task PostStream_ModelCalls_CallsAreItemsThatCanBeAnswered()
    {
        const string tools = """[{"type":"function","name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}},{"type":"function","name":"now"}]""";
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), jinja: Hermes);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        const string said = """Hm<tool_call>{"name": "get_weather", "arguments": {"city": 1}}</tool_call><tool_call>{"name": "now"}</tool_call>""";
        gateway.Grain.Script = request => request.PromptTokens.Contains('Z') ? ['K', TestTokenizer.End] : [.. said.Select(character => (int)character), TestTokenizer.End];
        var events = await gateway.PostEventsAsync(Path, $$"""{"input":"A","stream":true,"tools":{{tools}}}""");
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(one => one.GetProperty("sequence_number").GetInt32()));
        Assert.Equal(
            [
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
                "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.output_item.added",
                "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
                "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done",
                "response.output_item.done", "response.completed",
            ],
            events.Select(one => one.GetProperty("type").GetString()).Aggregate(
                new List<string?>(), (all, type) => all.LastOrDefault() == type ? all : [.. all, type]));
        var response = events[^1].GetProperty("response");
        var calls = response.GetProperty("output").EnumerateArray().Skip(1).ToList();
        Assert.Equal(
            [("get_weather", """{"city": 1}"""), ("now", "{}")],
            calls.Select(call => (call.GetProperty("name").GetString()!, call.GetProperty("arguments").GetString()!)));
        Assert.All(calls, call => Assert.StartsWith("fc_", call.GetProperty("id").GetString(), StringComparison.Ordinal));
        Assert.Equal(tools, response.GetProperty("tools").GetRawText());

        // Whether it is kept here or sent again.
        var results = string.Join(',', calls.Select((call, i) => $$"""{"type":"function_call_output","call_id":"{{call.GetProperty("call_id").GetString()}}","output":"Z{{i}}"}"""));
        var kept = await gateway.PostOkAsync(Path, $$"""{"input":[{{results}}],"tools":{{tools}},"previous_response_id":"{{IdOf(response)}}"}""");
        await gateway.PostOkAsync(Path, $$"""{"input":[{"role":"user","content":"A"},{{response.GetProperty("output").GetRawText()[1..^1]}},{{results}}],"tools":{{tools}}}""");
        Assert.Equal("K", kept.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString());
        string[] prompts = [.. gateway.Grain.Requests.Skip(1).Select(PromptOf)];
        Assert.EndsWith("[user]A[assistant]Hm<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": 1}}\n</tool_call><tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>[tool]Z0[tool]Z1", prompts[0], StringComparison.Ordinal);
        Assert.Equal(prompts[0], prompts[1]);
    }

    [Fact]
    public async Task Post_PreviousResponse_GoesOnFromItWithoutItsInstructions()
    {
        await using var gateway = await TestGateway.StartAsync();
        var first = await gateway.PostOkAsync(Path, """{"input":"A","instructions":"Be"}""");
        var second = await gateway.PostOkAsync(Path, $$"""{"input":"B","previous_response_id":"{{IdOf(first)}}"}""");
        Assert.Equal(IdOf(first), second.GetProperty("previous_response_id").GetString());

        // Deleting one leaves those that went on from it.
        using var deleted = await gateway.Client.DeleteAsync($"{Path}/{IdOf(first)}", TestContext.Current.CancellationToken);
        Assert.Equal(
            $$"""{"id":"{{IdOf(first)}}","object":"response","deleted":true}""",
            await deleted.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        await gateway.PostOkAsync(Path, $$"""{"input":"C","previous_response_id":"{{IdOf(second)}}"}""");
        Assert.Equal(["Be\nA", "A\nHello.\nB", "A\nHello.\nB\nHello.\nC"], gateway.Grain.Requests.Select(PromptOf));
        (await gateway.PostErrorAsync(Path, $$"""{"input":"B","previous_response_id":"{{IdOf(first)}}"}"""))
            .Is(400, "previous_response_id", "is not kept here", "previous_response_not_found");
        await IsNotKeptAsync(gateway, IdOf(first));
    }

    [Fact]
    public async Task Post_StoreFalse_IsNotKept()
    {
        await using var gateway = await TestGateway.StartAsync();
        var response = await gateway.PostOkAsync(Path, """{"input":"A","store":false}""");
        await IsNotKeptAsync(gateway, IdOf(response));
    }

    [Theory]
    [InlineData("false")]
    [InlineData("true")]
    public async Task Post_FewTokens_IsIncomplete(string stream)
    {
        await using var gateway = await TestGateway.StartAsync();
        var request = $$"""{"input":"A","max_output_tokens":2,"stream":{{stream}}}""";
        var response = stream == "false"
            ? await gateway.PostOkAsync(Path, request)
            : (await gateway.PostEventsAsync(Path, request))[^1].GetProperty("response");
        Assert.Equal("incomplete", response.GetProperty("status").GetString());
        Assert.Equal("max_output_tokens", response.GetProperty("incomplete_details").GetProperty("reason").GetString());
        Assert.Equal(
            ("incomplete", "He"),
            (response.GetProperty("output")[0].GetProperty("status").GetString(), response.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString()));
    }

    [Fact]
    public async Task PostStream_FaultInItsMidst_EndsWithTheErrorNumbered()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, _) =>
            position == 2 ? throw new GenerationException(GenerationError.Unavailable, "The stage was lost.") : Task.CompletedTask;
        var events = await gateway.PostEventsAsync(Path, """{"input":"A","stream":true}""");
        var error = events[^1];
        Assert.Equal(
            ("error", events.Count - 1, "unavailable", "The stage was lost."),
            (error.GetProperty("type").GetString(), error.GetProperty("sequence_number").GetInt32(), error.GetProperty("code").GetString(), error.GetProperty("message").GetString()));
        Assert.Equal("The stage was lost.", error.GetProperty("error").GetProperty("message").GetString());
        await IsNotKeptAsync(gateway, IdOf(events[0].GetProperty("response")));
    }

    [Theory]
    [InlineData("{}", "input", "input is missing")]
    [InlineData("""{"input":[]}""", "input", "input is empty")]
    [InlineData("""{"input":5}""", "input", "must be a string or a list of items; found the number 5.")]
    [InlineData("""{"input":["Hi"]}""", "input[0]", "input[0] must be an object")]
    [InlineData("""{"input":[{"type":"item_reference","id":"x"}]}""", "input[0].type", "item_reference")]
    [InlineData("""{"input":[{"role":"wizard","content":"A"}]}""", "input", "'wizard'")]
    [InlineData("""{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]}""", "input[0].content[0].type", "input_image")]
    [InlineData("""{"input":"A","text":{"format":{"type":"json_schema"}}}""", "text.format.schema", "text.format.schema is missing")]
    [InlineData("""{"input":"A","text":{"format":{"type":"json_schema","schema":{"not":{}}}}}""", "text.format.schema", "cannot be followed: not at")]
    [InlineData("""{"input":"A","text":{"format":{"type":"json_object"}},"grammar":"root ::= \"a\""}""", "grammar", "one grammar")]
    [InlineData("""{"input":"A","max_tokens":3}""", "max_tokens", "Use max_output_tokens.")]
    [InlineData("""{"input":"A","intructions":"x"}""", "intructions", "did you mean instructions?")]
    [InlineData("""{"input":"A","background":true}""", "background", "is not supported")]
    public async Task Post_BadField_Answers400NamingIt(string json, string param, string message)
    {
        await using var gateway = await TestGateway.StartAsync();
        var error = await gateway.PostErrorAsync(Path, json);
        Assert.Equal((400, param), (error.Status, error.Param));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Empty(gateway.Grain.Requests);
    }

    [Fact]
    public async Task Post_SameIdempotencyKey_IsAnsweredWithTheSameResponse()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Client.DefaultRequestHeaders.Add("Idempotency-Key", "k");
        var first = await gateway.PostOkAsync(Path, """{"input":"A"}""");
        Assert.Equal(first.GetRawText(), (await gateway.PostOkAsync(Path, """{"input":"A"}""")).GetRawText());
        Assert.Equal(7, gateway.Grain.Sampled);
    }

    [Fact]
    public async Task Get_WithAnotherKey_IsNotKept()
    {
        using var file = new KeyFile();
        var other = ApiKey.Create("bob", DateTimeOffset.UnixEpoch, out var key);
        ApiKeyFile.Change(file.Path, keys => [.. keys, other]);
        await using var gateway = await file.StartAsync();
        var id = IdOf(await gateway.PostOkAsync(Path, """{"input":"A"}"""));
        await gateway.PostOkAsync(Path, $$"""{"input":"A","previous_response_id":"{{id}}"}""");
        gateway.Client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        await IsNotKeptAsync(gateway, id);
        (await gateway.PostErrorAsync(Path, $$"""{"input":"A","previous_response_id":"{{id}}"}"""))
            .Is(400, "previous_response_id", "is not kept here", "previous_response_not_found");
    }

    [Fact]
    public async Task Get_WithQueryOrAnotherMethod_IsRefused()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var streamed = await gateway.Client.GetAsync($"{Path}/resp_1?stream=true", TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(streamed)).Is(400, "stream", "is not supported", "unsupported_parameter");
        using var put = await gateway.Client.PutAsync($"{Path}/resp_1", content: null, TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(put)).Is(405, null, "takes GET or HEAD or DELETE", "method_not_supported");
    }

    private static async Task IsNotKeptAsync(TestGateway gateway, string id)
    {
        using var got = await gateway.Client.GetAsync($"{Path}/{id}", TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(got)).Is(404, null, "is not kept here", "response_not_found");
        using var deleted = await gateway.Client.DeleteAsync($"{Path}/{id}", TestContext.Current.CancellationToken);
        Assert.Equal(404, (int)deleted.StatusCode);
    }

    private static string IdOf(JsonElement response) => response.GetProperty("id").GetString()!;

    private static string PromptOf(GenerationRequest request) =>
        Encoding.UTF8.GetString([.. request.PromptTokens.Where(token => token < TestTokenizer.Begin).Select(token => (byte)token)]);
}
