using Llama.Gateway.Tests.Hosting;
using Llama.Model.Sampling;

namespace Llama.Gateway.Tests.Api.LlamaServer;

public sealed class PropsEndpointsTests
{
    private const string Template = "{{ bos_token }}{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}";

    [Fact]
    public async Task GetProps_Model_IsToldAsLlamaServerDoes()
    {
        await using var gateway = await TestGateway.StartAsync(
            new TestTokenizer(), sampling: new SamplingParameters { Temperature = 0.5f, TopK = 40, TopP = 0.25f }, jinja: Template);
        var answer = System.Text.Json.JsonElement.Parse(await gateway.Client.GetStringAsync("/props", TestContext.Current.CancellationToken));
        var settings = answer.GetProperty("default_generation_settings");
        Assert.Equal(64, settings.GetProperty("n_ctx").GetInt32());
        Assert.Equal("""{"temperature":0.5,"top_k":40,"top_p":0.25,"min_p":0}""", settings.GetProperty("params").GetRawText());
        Assert.Equal(("test-model", Template), (answer.GetProperty("model_alias").GetString(), answer.GetProperty("chat_template").GetString()));
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"A <end>"}]}""", "<begin>[user]A <end>>")]
    [InlineData("""{"messages":[{"role":"system","content":"A"},{"role":"user","content":"B"}],"add_generation_prompt":false}""", "<begin>[system]A[user]B")]
    [InlineData("""{"messages":[{"role":"assistant","content":"A"}],"continue_final_message":true}""", "<begin>[assistant]A")]
    public async Task ApplyTemplate_OfTheCheckpoint_AnswersWithItsText(string request, string expected)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), jinja: Template);
        Assert.Equal(expected, (await gateway.PostOkAsync("/apply-template", request)).GetProperty("prompt").GetString());
    }

    [Fact]
    public async Task ApplyTemplate_OfThisProject_NamesSpecialTokens()
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync("/apply-template", """{"messages":[{"role":"user","content":"A"},{"role":"user","content":"B"}]}""");
        Assert.Equal("""{"prompt":"<begin>A\nB"}""", answer.GetRawText());
    }

    [Theory]
    [InlineData("{}", "messages", "messages is missing")]
    [InlineData("""{"messages":[]}""", "messages", "messages is empty")]
    [InlineData("""{"messages":[{"role":"wizard","content":"A"}]}""", "messages", "wizard")]
    public async Task ApplyTemplate_NoConversation_Answers400NamingIt(string request, string param, string message)
    {
        await using var gateway = await TestGateway.StartAsync();
        (await gateway.PostErrorAsync("/apply-template", request)).Is(400, param, message);
    }
}
