using System.Text.RegularExpressions;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Pages;

public sealed class HomePageTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    [Fact]
    public async Task Get_Page_HasItsPartsAndAsksNoOtherServer()
    {
        using var response = await shared.Gateway.Client.GetAsync("/", TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text/html; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        Assert.Contains("default-src 'none'", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        var page = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        string[] ids =
            ["prompt", "max-tokens", "temperature", "api-key", "generate", "stop", "text", "error", "first-token", "rate", "pipelines", "standby"];
        Assert.All(ids, id => Assert.Contains($"id=\"{id}\"", page, StringComparison.Ordinal));
        Assert.DoesNotMatch("(?i)https?:|//[a-z0-9]+\\.|@import|url\\(", page);
        Assert.DoesNotContain("innerHTML", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_Page_LabelsEveryInput()
    {
        var page = await shared.Gateway.Client.GetStringAsync("/", TestContext.Current.CancellationToken);
        var inputs = Regex.Matches(page, "<(?:input|textarea) id=\"([^\"]+)\"").Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(["prompt", "max-tokens", "temperature", "api-key"], inputs);
        Assert.All(inputs, id => Assert.Contains($"<label for=\"{id}\">", page, StringComparison.Ordinal));
    }
}
