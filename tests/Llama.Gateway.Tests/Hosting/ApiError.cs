using System.Net.Http.Json;
using System.Text.Json;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>An error in OpenAI's shape.</summary>
internal sealed record ApiError(int Status, string Message, string Type, string? Param, string? Code, int? RetryAfter)
{
    public static async Task<ApiError> ReadAsync(HttpResponseMessage response)
    {
        Assert.Equal("application/json", response.Content.Headers.ContentType?.ToString());
        var body = await response.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);
        return Read(body, (int)response.StatusCode, (int?)response.Headers.RetryAfter?.Delta?.TotalSeconds);
    }

    public static ApiError Read(JsonElement body, int status, int? retryAfter = null)
    {
        if (body.GetProperty("error").ValueKind == JsonValueKind.String) return ReadOllama(body, status, retryAfter);

        // Anthropic's form has two members more.
        var isAnthropic = body.TryGetProperty("type", out var kind) && kind.GetString() == "error";
        Assert.Equal(isAnthropic ? ["type", "error", "request_id"] : ["error"], body.EnumerateObject().Select(member => member.Name));
        var error = body.GetProperty("error");
        Assert.Equal(["code", "message", "param", "type"], error.EnumerateObject().Select(member => member.Name).Order());
        var found = new ApiError(
            status,
            error.GetProperty("message").GetString()!,
            error.GetProperty("type").GetString()!,
            error.GetProperty("param").GetString(),
            error.GetProperty("code").GetString(),
            retryAfter);
        Assert.NotEmpty(found.Message);
        Assert.DoesNotContain("   at ", found.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", found.Message, StringComparison.Ordinal);
        return found;
    }

    private static ApiError ReadOllama(JsonElement body, int status, int? retryAfter)
    {
        Assert.Equal(["error", "param", "code"], body.EnumerateObject().Select(member => member.Name));
        return new ApiError(
            status, body.GetProperty("error").GetString()!, "", body.GetProperty("param").GetString(), body.GetProperty("code").GetString(), retryAfter);
    }

    public void Is(int status, string? param, string message, string? code = null, string also = "")
    {
        Assert.Equal((status, param, code), (Status, Param, Code));
        Assert.Contains(message, Message, StringComparison.Ordinal);
        Assert.Contains(also, Message, StringComparison.Ordinal);
    }
}
