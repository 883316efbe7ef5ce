using System.Text;
using Llama.Gateway.Tests.Hosting;
using Llama.Model.Sampling;

namespace Llama.Gateway.Tests.Api.Chat;

public sealed class ChatEndpointTests
{
    private const string Path = "/v1/chat/completions";

    [Fact]
    public async Task Post_Messages_AnswersWithAMessage()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['A', TestTokenizer.End];
        var answer = await gateway.PostOkAsync(
            Path,
            """
            {"messages":[{"role":"developer","content":"Be"},
                         {"role":"user","content":[{"type":"text","text":"A"},{"type":"text","text":"B"}]}],
             "tools":[],"tool_choice":"none","response_format":{"type":"text"},"return_token_ids":true}
            """);
        Assert.StartsWith("chatcmpl-", answer.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("chat.completion", answer.GetProperty("object").GetString());
        Assert.Equal(
            """
            {"role":"assistant","content":"A","refusal":null}
            """,
            answer.GetProperty("choices")[0].GetProperty("message").GetRawText());
        Assert.Equal("[65,257]", answer.GetProperty("choices")[0].GetProperty("token_ids").GetRawText());
        var prompt = gateway.Grain.Single.PromptTokens;
        Assert.Equal("Be\nA\nB", Encoding.UTF8.GetString([.. prompt.Skip(1).Select(token => (byte)token)]));
        Assert.Equal($"[{string.Join(',', prompt)}]", answer.GetProperty("prompt_token_ids").GetRawText());
        Assert.Null(gateway.Grain.Single.MaxTokens);
    }

    [Theory]
    [InlineData("add_generation_prompt", "false", null)]
    [InlineData("continue_final_message", "true", null)]
    [InlineData("chat_template_kwargs", """{"a":1}""", null)]
    [InlineData("chat_template_kwargs.a", "", """{"chat_template_kwargs":{"a":1,"a":2}}""")]
    [InlineData("continue_final_message", "", """{"continue_final_message":true,"add_generation_prompt":true}""")]
    public async Task Post_OptionOfTheTemplateThatCannotBeHonoured_Answers400WithTheField(string param, string value, string? withOwn)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), jinja: withOwn is null ? null : "{{ messages[0].content }}");
        var option = withOwn ?? $$"""{"{{param}}":{{value}}}""";
        foreach (var path in (string[])[Path, "/tokenize"])
        {
            var error = await gateway.PostErrorAsync(path, $$"""{"messages":[{"role":"user","content":"A"}],{{option[1..]}}""");
            error.Is(400, param, $"{param} ", withOwn is null ? "unsupported_parameter" : null);
        }

        if (withOwn is null)
            (await gateway.PostErrorAsync("/tokenize", $$"""{"prompt":"A",{{option[1..]}}""")).Is(400, param, "found it without messages");
    }

    [Theory]
    [InlineData("""{"add_generation_prompt":true,"continue_final_message":false,"chat_template_kwargs":{}}""")]
    [InlineData("""{"add_generation_prompt":null,"continue_final_message":null,"chat_template_kwargs":null}""")]
    public async Task Post_OptionsOfTheTemplateThatAskForNothing_AreTakenByEveryTemplate(string options)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.PostOkAsync(Path, $$"""{"messages":[{"role":"user","content":"A"}],{{options[1..]}}""");
        Assert.Equal([TestTokenizer.Begin, 'A'], gateway.Grain.Single.PromptTokens);
    }

    [Fact]
    public async Task PostStream_Messages_FirstPartCarriesTheRole()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer { AddsLeadingSpace = true });
        gateway.Grain.Script = _ => [' ', 'H', 'i', TestTokenizer.End];
        var parts = await gateway.PostPartsAsync(
            Path, """{"messages":[{"role":"user","content":"A"}],"stream":true,"stream_options":{"include_usage":true},"seed":1}""");
        Assert.All(parts, part => Assert.Equal("chat.completion.chunk", part.GetProperty("object").GetString()));
        Assert.Equal(
            [
                """[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null,"seed":1}]""",
                """[{"index":0,"delta":{"content":"H"},"logprobs":null,"finish_reason":null}]""",
                """[{"index":0,"delta":{"content":"i"},"logprobs":null,"finish_reason":null}]""",
                """[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop","seed":1}]""",
                "[]",
            ],
            parts.Select(part => part.GetProperty("choices").GetRawText()));
        Assert.Equal(4, parts[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Post_LogProbabilities_AreInOpenAIsShape()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['a', TestTokenizer.End];
        gateway.Grain.TopLogprobs = token => [new TokenLogprob(token, -0.5f)];
        var answer = await gateway.PostOkAsync(Path, """{"messages":[{"role":"user","content":"A"}],"logprobs":true,"top_logprobs":1}""");
        Assert.Equal(1, gateway.Grain.Single.TopLogprobs);
        Assert.Equal(
            """{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]},"""
            + """{"token":"token_id:257","logprob":-0.5,"bytes":[],"top_logprobs":["""
            + """{"token":"token_id:257","logprob":-0.5,"bytes":[]}]}],"refusal":null}""",
            answer.GetProperty("choices")[0].GetProperty("logprobs").GetRawText());
    }

    [Fact]
    public async Task Post_StopTokenOfTheTemplate_EndsTheAnswerUnlessEndsAreIgnored()
    {
        const string request = """{"messages":[{"role":"user","content":"A"}],"max_tokens":3,"ignore_eos":IGNORE}""";
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), "codellama-70b");
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 256 };
        gateway.Grain.Script = _ => ['a', TestTokenizer.Step, 'b'];
        foreach (var (ignore, text, finish) in new[] { ("false", "a", "stop"), ("true", "ab", "length") })
        {
            var answer = await gateway.PostOkAsync(Path, request.Replace("IGNORE", ignore, StringComparison.Ordinal));
            var choice = answer.GetProperty("choices")[0];
            Assert.Equal(text, choice.GetProperty("message").GetProperty("content").GetString());
            Assert.Equal(finish, choice.GetProperty("finish_reason").GetString());
            await gateway.Grain.WaitForEndAsync();
        }

        Assert.Equal([true, false], gateway.Grain.Requests.Select(asked => asked.StopTokens.Contains(TestTokenizer.Step)));
    }

    [Theory]
    [InlineData("{}", "messages", "messages is missing")]
    [InlineData("""{"messages":[]}""", "messages", "messages is empty")]
    [InlineData("""{"messages":"Hi"}""", "messages", "must be a list of messages; found the string \"Hi\".")]
    [InlineData("""{"messages":["Hi"]}""", "messages[0]", "messages[0] must be an object; found the string \"Hi\".")]
    [InlineData("""{"messages":[{"content":"Hi"}]}""", "messages[0].role", "messages[0].role is missing")]
    [InlineData("""{"messages":[{"role":1,"content":"Hi"}]}""", "messages[0].role", "must be a string; found the number 1.")]
    [InlineData("""{"messages":[{"role":"wizard","content":"Hi"}]}""", "messages", "'wizard'")]
    [InlineData("""{"messages":[{"role":"user"}]}""", "messages[0].content", "messages[0].content is missing")]
    [InlineData("""{"messages":[{"role":"user","content":5}]}""", "messages[0].content", "or a list of text parts; found the number 5.")]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}""", "messages[0].content[0].type", "image_url")]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"text"}]}]}""", "messages[0].content[0].text", "missing")]
    [InlineData("""{"messages":[{"role":"user","content":["Hi"]}]}""", "messages[0].content[0]", "must be an object")]
    [InlineData("""{"messages":[USER],"logprobs":1}""", "logprobs", "logprobs must be true or false")]
    [InlineData("""{"messages":[USER],"top_logprobs":3}""", "top_logprobs", "top_logprobs needs logprobs to be true")]
    public async Task Post_BadField_Answers400NamingIt(string json, string param, string message)
    {
        await using var gateway = await TestGateway.StartAsync();
        var request = json.Replace("USER", """{"role":"user","content":"Hi"}""", StringComparison.Ordinal);
        (await gateway.PostErrorAsync(Path, request)).Is(400, param, message);
    }

    [Fact]
    public async Task Post_LongMessage_Answers400()
    {
        await using var gateway = await TestGateway.StartAsync();
        var error = await gateway.PostErrorAsync(Path, $$"""{"messages":[{"role":"user","content":"{{new string('x', 63)}}"}]}""");
        error.Is(400, "messages", "found 64 tokens in messages", "context_length_exceeded");
    }

    [Fact]
    public async Task Post_ModelWithoutTemplateOrTokenizer_Answers400WithTheReason()
    {
        const string request = """{"messages":[{"role":"user","content":"A"}]}""";
        await using var withoutTemplate = await TestGateway.StartAsync(new TestTokenizer(), template: null);
        (await withoutTemplate.PostErrorAsync(Path, request)).Is(400, "messages", "has no chat template");
        await using var withoutTokenizer = await TestGateway.StartAsync(tokenizer: null);
        (await withoutTokenizer.PostErrorAsync(Path, request)).Is(400, "messages", "has no tokenizer");
    }
}
