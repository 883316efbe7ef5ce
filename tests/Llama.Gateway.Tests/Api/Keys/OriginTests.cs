using Llama.Gateway.Api.Keys;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Keys;

/// <summary>Where requests may come from: web pages of other origins, and names that were made to mean this machine.</summary>
public sealed class OriginTests
{
    private const string Page = "https://chat.example.org";

    [Theory]
    [InlineData(Page, Page)]
    [InlineData("*", "*")]
    [InlineData("https://other.example.org", null)]
    public async Task Preflight_OfAPage_IsAnsweredForOriginsThatWereNamed(string origins, string? allowed)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), access: new ApiAccess { Origins = [origins] });
        using var preflight = Preflight();
        using var answer = await gateway.Client.SendAsync(preflight, TestContext.Current.CancellationToken);
        Assert.Equal(204, (int)answer.StatusCode);
        Assert.Equal(allowed, Header(answer, "Access-Control-Allow-Origin"));
        if (allowed is not null) Assert.Equal("authorization,content-type", Header(answer, "Access-Control-Allow-Headers"));

        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
        request.Headers.Add("Origin", Page);
        using var models = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((200, allowed), ((int)models.StatusCode, Header(models, "Access-Control-Allow-Origin")));
    }

    [Fact]
    public async Task Preflight_WithoutTheOption_Answers405()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var preflight = Preflight();
        using var answer = await gateway.Client.SendAsync(preflight, TestContext.Current.CancellationToken);
        Assert.Equal((405, null), ((int)answer.StatusCode, Header(answer, "Access-Control-Allow-Origin")));
    }

    [Theory]
    [InlineData("evil.example", true, 403)]
    [InlineData("evil.example:8080", true, 403)]
    [InlineData("localhost:8080", true, 200)]
    [InlineData("127.0.0.1", true, 200)]
    [InlineData("the-gateway.example", true, 200)]
    [InlineData("evil.example", false, 200)]
    public async Task Post_HostOfAnotherOnLoopback_Answers403(string host, bool loopback, int status)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), access: new ApiAccess { IsLoopback = loopback });
        gateway.Client.DefaultRequestHeaders.Host = host;
        using var answer = await gateway.PostAsync("/v1/completions", """{"prompt":"Hi"}""");
        using var cluster = await gateway.Client.GetAsync("/cluster", TestContext.Current.CancellationToken);
        Assert.Equal((status, status), ((int)answer.StatusCode, (int)cluster.StatusCode));
        if (status == 403) (await ApiError.ReadAsync(answer)).Is(403, null, "is for the host 'evil.example'", "forbidden");
    }

    private static HttpRequestMessage Preflight()
    {
        var preflight = new HttpRequestMessage(HttpMethod.Options, "/v1/chat/completions");
        preflight.Headers.Add("Origin", Page);
        preflight.Headers.Add("Access-Control-Request-Method", "POST");
        preflight.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");
        return preflight;
    }

    private static string? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values) ? string.Join(',', values) : null;
}
