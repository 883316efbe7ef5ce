using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Chat;

/// <summary>What a model thinks before it answers stands in a member of its own.</summary>
public sealed class ReasoningTests
{
    private const string Path = "/v1/chat/completions";
    private const string Closed = "{{ messages[-1].reasoning_content }}{% if false %}</think>{% endif %}{{ messages[-1].content }}:";
    private const string Open = "{{ messages[-1].content.split('</think>')[-1] }}:{% if add_generation_prompt %}<think>\n{% endif %}";

    [Theory]
    [InlineData(Closed, "<think>\nabc\n</think>\n\nHi", """{"role":"assistant","reasoning_content":"abc","content":"Hi","refusal":null}""", 20)]
    [InlineData(Closed, "Hi", """{"role":"assistant","content":"Hi","refusal":null}""", 0)]
    [InlineData(Open, "abc\n</think>\n\nHi", """{"role":"assistant","reasoning_content":"abc","content":"Hi","refusal":null}""", 12)]
    [InlineData(Open, "abc", """{"role":"assistant","reasoning_content":"abc","content":"","refusal":null}""", 4)]
    public async Task Post_ModelThatReasons_AnswersWithBothPartsAndTheirTokens(string jinja, string text, string message, int reasoningTokens)
    {
        await using var gateway = await StartAsync(jinja, text);
        var answer = await gateway.PostOkAsync(Path, """{"messages":[{"role":"user","content":"A"}]}""");
        Assert.Equal(message, answer.GetProperty("choices")[0].GetProperty("message").GetRawText());
        var usage = answer.GetProperty("usage");
        Assert.Equal(text.Length + 1, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(reasoningTokens, usage.GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt32());
    }

    [Fact]
    public async Task PostStream_ModelThatReasons_ADeltaHasOneOfTheParts()
    {
        await using var gateway = await StartAsync(Open, "ab \n</think>\nHi");
        var parts = await gateway.PostPartsAsync(
            Path, """{"messages":[{"role":"user","content":"A"}],"stream":true,"stream_options":{"include_usage":true},"seed":1}""");
        Assert.Equal(
            [
                """{"role":"assistant","reasoning_content":"a"}""", """{"reasoning_content":"b"}""", """{"content":"H"}""",
                """{"content":"i"}""", """{"content":""}""",
            ],
            parts.SkipLast(1).Select(part => part.GetProperty("choices")[0].GetProperty("delta").GetRawText()));
        Assert.Equal(12, parts[^1].GetProperty("usage").GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt32());
    }

    [Fact]
    public async Task Post_ReasoningFormatNone_LeavesItInTheText()
    {
        await using var gateway = await StartAsync(Open, "a</think>Hi");
        var answer = await gateway.PostOkAsync(Path, """{"messages":[{"role":"user","content":"A"}],"reasoning_format":"none"}""");
        Assert.Equal("a</think>Hi", answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        Assert.False(answer.GetProperty("usage").TryGetProperty("completion_tokens_details", out _));
        (await gateway.PostErrorAsync(Path, """{"messages":[{"role":"user","content":"A"}],"reasoning_format":"x"}""")).Is(400, "reasoning_format", "deepseek");
    }

    /// <summary>The last message says where the answer starts; a question about the mark does not.</summary>
    [Theory]
    [InlineData("""[{"role":"assistant","content":"<think>x"}],"continue_final_message":true""", "ab", "")]
    [InlineData("""[{"role":"assistant","content":"<think>x</think>"}],"continue_final_message":true""", null, "ab")]
    [InlineData("""[{"role":"user","content":"What is <think>"}]""", null, "ab")]
    public async Task Post_MarksInMessages_CountOnlyInTheMessageThatIsGoneOnWith(string messages, string? reasoning, string content)
    {
        await using var gateway = await StartAsync(Closed, "ab");
        var answer = await gateway.PostOkAsync(Path, $$"""{"messages":{{messages}}}""");
        var message = answer.GetProperty("choices")[0].GetProperty("message");
        Assert.Equal(reasoning, message.TryGetProperty("reasoning_content", out var found) ? found.GetString() : null);
        Assert.Equal(content, message.GetProperty("content").GetString());
    }

    [Fact]
    public async Task Post_ReasoningOfAnEarlierMessage_ReachesTheTemplate()
    {
        await using var gateway = await StartAsync(Closed, "a");
        await gateway.PostOkAsync(Path, """{"messages":[{"role":"assistant","content":"A","reasoning_content":"B"}]}""");
        Assert.Equal("BA:", string.Concat(gateway.Grain.Single.PromptTokens.Select(token => (char)token)));
    }

    private static async Task<TestGateway> StartAsync(string jinja, string text)
    {
        var gateway = await TestGateway.StartAsync(new TestTokenizer(), jinja: jinja);
        gateway.Grain.Script = _ => [.. text.Select(character => (int)character), TestTokenizer.End];
        return gateway;
    }
}
