extern alias client;

using System.Text.Json;
using System.Text.RegularExpressions;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Grains.Text;
using client::Llama.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Gateway.Tests.Api;

/// <summary>What a front answers that has only a tokenizer grain is what a process with the model's files answers, to the byte.</summary>
public sealed partial class FrontModelTests
{
    private const string Jinja =
        "{% for m in messages %}<step>{{ m.role }}:{{ m.content }}{% endfor %}{% if add_generation_prompt %}<step>{{ more }}{% endif %}";

    [Theory]
    [InlineData("/v1/completions", """{"prompt":"Hé <step> you","seed":1,"logprobs":2,"return_token_ids":true}""")]
    [InlineData("/v1/completions", """{"prompt":["a","<begin>b",""],"seed":1}""")]
    [InlineData("/v1/completions", """{"prompt":["a","<begin>b"],"n":2,"seed":1,"stop":["lo"]}""")]
    [InlineData("/v1/completions", """{"prompt":"a","seed":1,"stream":true,"logprobs":0}""")]
    [InlineData("/v1/completions", """{"prompt":"a","model":"another"}""")]
    [InlineData("/v1/completions", """{"prompt":[1,999999]}""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"<step>Hi"}],"seed":1,"logprobs":true,"top_logprobs":2}""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"seed":1,"chat_template_kwargs":{"more":1.50}}""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"continue_final_message":true,"add_generation_prompt":true}""")]
    [InlineData(
        "/v1/chat/completions",
        """{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"R"}],"seed":1,"logit_bias":{"7":1}}""")]
    [InlineData("/tokenize", """{"messages":[{"role":"user","content":"Hi"}],"tools":[{"function":{"name":"f"}}]}""")]
    [InlineData("/tokenize", """{"prompt":"Hé <step> you"}""")]
    [InlineData("/tokenize", """{"messages":[{"role":"user","content":"<step>Hi"}],"add_generation_prompt":false}""")]
    [InlineData("/detokenize", """{"tokens":[72,195,258,105]}""")]
    public async Task Post_ThroughAFront_AnswersAsTheModelsOwnProcess(string path, string body)
    {
        await using var own = await TestGateway.StartAsync(new TestTokenizer("lo"), jinja: Jinja);
        await using var front = await StartFrontAsync(new TestTokenizer("lo"), Jinja);

        Assert.Equal(await AskAsync(own), await AskAsync(front));
        Assert.Equal(own.Grain.Requests.Select(RequestOf), front.Grain.Requests.Select(RequestOf));

        async Task<string> AskAsync(TestGateway gateway)
        {
            using var response = await gateway.PostAsync(path, body);
            string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            return $"{(int)response.StatusCode} {Unstable().Replace(text, "")}";
        }

        static string RequestOf(GenerationRequest request) => JsonSerializer.Serialize(request);
    }

    [Fact]
    public async Task Generate_ThroughAFront_AnswersAsTheModelsOwnProcess()
    {
        await using var own = await TestGateway.StartAsync(new TestTokenizer("lo"), jinja: Jinja);
        await using var front = await StartFrontAsync(new TestTokenizer("lo"), Jinja);

        Assert.Equal(await AskAsync(own), await AskAsync(front));
        Assert.Equal(own.Grain.Single.PromptTokens, front.Grain.Single.PromptTokens);

        static async Task<IEnumerable<ChoicePart>> AskAsync(TestGateway gateway)
        {
            using var client = new RpcClient(gateway);
            var request = new ChatRequest { Messages = { new Message { Role = "user", Content = "Hé <step> you" } }, Seed = 1, Logprobs = true };
            return (await client.ChatAsync(request)).SkipLast(1).Select(part => part.Choice);
        }
    }

    [Fact]
    public async Task Post_ModelThatReasons_IsToldApartThroughAFrontToo()
    {
        await using var front = await StartFrontAsync(new TestTokenizer(), "{{ messages[0].content }}<think>\n{% if false %}</think>{% endif %}");
        var answer = await front.PostOkAsync("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal("Hello.", answer.GetProperty("choices")[0].GetProperty("message").GetProperty("reasoning_content").GetString());
    }

    [Fact]
    public async Task Post_ModelWithoutATokenizer_TakesTokensOnlyThroughAFrontToo()
    {
        await using var front = await StartFrontAsync(null, null);
        Assert.Equal(
            "prompt", (await front.PostErrorAsync("/v1/completions", """{"prompt":"Hi"}""")).Param);
        Assert.Equal(7, (await front.PostOkAsync("/v1/completions", """{"prompt":[1,2]}"""))
            .GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Theory]
    [InlineData("/v1/completions")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/tokenize")]
    public async Task Post_ClusterNotReachedYet_Answers503WithItsReason(string path)
    {
        await using var front = await TestGateway.StartAsync(new TestTokenizer(), change: _ => new RemoteModel(
            () => throw new IOException("nobody"), () => "No gateway silo of the cluster can be reached: nobody.", TimeSpan.FromSeconds(1),
            TimeProvider.System, NullLogger.Instance));
        var error = await front.PostErrorAsync(path, """{"prompt":"Hi","messages":[]}""");
        Assert.Equal((503, "unavailable", "No gateway silo of the cluster can be reached: nobody."), (error.Status, error.Code, error.Message));
        Assert.Equal(1, error.RetryAfter);
    }

    private static Task<TestGateway> StartFrontAsync(TestTokenizer? tokenizer, string? jinja) => TestGateway.StartAsync(
        tokenizer, jinja: jinja, change: local =>
        {
            var grain = new TokenizerGrain(new TokenizerService(local));
            var remote = new RemoteModel(() => grain, () => null, TimeSpan.FromSeconds(10), TimeProvider.System, NullLogger.Instance);
            remote.StartAsync(TestContext.Current.CancellationToken);
            SpinWait.SpinUntil(() => IsKnown(remote), TimeSpan.FromSeconds(30));
            return remote;
        });

    private static bool IsKnown(RemoteModel remote)
    {
        try
        {
            return remote.Shape is not null;
        }
        catch (GenerationException)
        {
            return false;
        }
    }

    [GeneratedRegex("(cmpl|chatcmpl)-[0-9a-f]{32}|\"created\":[0-9]+|,\"timings\":\\{[^}]*\\}")]
    private static partial Regex Unstable();
}
