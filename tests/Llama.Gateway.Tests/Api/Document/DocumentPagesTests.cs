using System.Text.Json;
using System.Text.RegularExpressions;
using Llama.Gateway.Api.Document;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Tests.Api.Keys;
using Llama.Gateway.Tests.Hosting;
using Microsoft.OpenApi;
using Microsoft.OpenApi.Reader;

namespace Llama.Gateway.Tests.Api.Document;

public sealed class DocumentPagesTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GetDocument_OfThisGateway_IsValidAndHasEveryRoute()
    {
        await using var stream = await shared.Gateway.Client.GetStreamAsync("/openapi/v1.json", TestEnds);
        using var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes, TestEnds);
        bytes.Position = 0;
        ReadResult read = await OpenApiDocument.LoadAsync(bytes, "json", null, TestEnds);
        Assert.Equal(OpenApiSpecVersion.OpenApi3_1, read.Diagnostic!.SpecificationVersion);
        Assert.Empty(read.Diagnostic.Errors);
        Assert.Empty(read.Diagnostic.Warnings);
        Assert.Equal(
            RouteDocument.Routes(shared.Gateway.Endpoints).Select(route => $"{route.Method} {route.Path}").Order(),
            from path in read.Document!.Paths
            from operation in path.Value.Operations!
            let route = $"{operation.Key} {path.Key}"
            orderby route
            select route);
        Assert.Contains("/v1/chat/completions", read.Document.Paths.Keys);
    }

    [Fact]
    public async Task GetDocument_SchemaOfARequest_HasTheFieldsOfTheTable()
    {
        var schemas = JsonElement.Parse(await shared.Gateway.Client.GetStringAsync("/openapi/v1.json", TestEnds)).GetProperty("components").GetProperty("schemas");
        foreach (FieldScope scope in FieldScopes.All)
        {
            Assert.Equal(
                RequestFields.In(scope).Where(field => field is IHonouredField or HarmlessField).Select(field => field.Name).Order(),
                schemas.GetProperty(scope.ToString()).GetProperty("properties").EnumerateObject().Select(property => property.Name).Order());
        }

        var chat = schemas.GetProperty("Chat").GetProperty("properties");
        Assert.Equal((1, 16), (chat.GetProperty("n").GetProperty("minimum").GetInt32(), chat.GetProperty("n").GetProperty("maximum").GetInt32()));
        Assert.Equal(["null", "integer"], chat.GetProperty("n").GetProperty("type").EnumerateArray().Select(type => type.GetString()));
        Assert.Equal("#/components/schemas/Message", chat.GetProperty("messages").GetProperty("items").GetProperty("$ref").GetString());
        Assert.Equal(256, chat.GetProperty("session_id").GetProperty("maxLength").GetInt32());
    }

    [Fact]
    public async Task GetDocument_WithKeys_SaysThatOneIsNeeded()
    {
        using var file = new KeyFile();
        await using var gateway = await file.StartAsync(shows: false);
        var document = JsonElement.Parse(await gateway.Client.GetStringAsync("/openapi/v1.json", TestEnds));
        Assert.Equal("bearer", document.GetProperty("components").GetProperty("securitySchemes").GetProperty("key").GetProperty("scheme").GetString());
    }

    [Fact]
    public async Task GetScalar_Page_HasItsScriptFromHereAndNothingFromElsewhere()
    {
        string page = await shared.Gateway.Client.GetStringAsync("/scalar/", TestEnds);
        string[] scripts = [.. Regex.Matches(page, "src=\"([^\"]+)\"").Select(match => match.Groups[1].Value)];
        Assert.NotEmpty(scripts);
        Assert.DoesNotMatch("(?:src|href)=\"(?:https?:)?//", page);
        foreach (string script in scripts)
        {
            using var response = await shared.Gateway.Client.GetAsync(new Uri(new Uri(shared.Gateway.Client.BaseAddress!, "/scalar/"), script), TestEnds);
            Assert.Equal(200, (int)response.StatusCode);
        }

        Assert.Contains("openapi/v1.json", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetScalar_Unknown_Answers404() =>
        Assert.Equal(404, (int)(await shared.Gateway.Client.GetAsync("/scalar/a/b/c", TestEnds)).StatusCode);
}
