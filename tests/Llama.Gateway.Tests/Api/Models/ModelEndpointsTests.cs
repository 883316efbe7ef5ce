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

    [Fact]
    public async Task Get_UnknownModel_Answers404()
    {
        using var response = await shared.Gateway.Client.GetAsync("/v1/models/meta/other", TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(response)).Is(404, null, "'meta/other' is not served here", "model_not_found");
    }
}
