using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Models;

public sealed class ModelEndpointsTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    private const string Model = """{"id":"test-model","object":"model","created":1700000000,"owned_by":"llama","max_model_len":64}""";

    [Theory]
    [InlineData("/v1/models", $$"""{"object":"list","data":[{{Model}}]}""")]
    [InlineData("/v1/models/test-model", Model)]
    public async Task Get_Model_DescribesIt(string path, string expected) =>
        Assert.Equal(expected, await shared.Gateway.Client.GetStringAsync(path, TestContext.Current.CancellationToken));

    [Theory]
    [InlineData("meta/llama", "meta/llama")]
    [InlineData("meta/llama", "meta%2Fllama")]
    [InlineData("meta/llama", "meta%2fllama")]
    [InlineData("meta%2Fllama", "meta%252Fllama")]
    [InlineData("a b", "a%20b")]
    public async Task Get_NameThatIsEscaped_DescribesTheModel(string name, string path)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), name: name);
        using var response = await gateway.Client.GetAsync($"/v1/models/{path}", TestContext.Current.CancellationToken);
        var model = System.Text.Json.JsonElement.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(name, model.GetProperty("id").GetString());
    }

    [Fact]
    public async Task Get_UnknownModel_Answers404()
    {
        using var response = await shared.Gateway.Client.GetAsync("/v1/models/meta/other", TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(response)).Is(404, null, "'meta/other' is not served here", "model_not_found");
    }
}
