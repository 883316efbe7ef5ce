using System.Text;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Reading;

public sealed class RequestBodyTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    private const string Path = "/v1/completions";

    [Theory]
    [InlineData("", "The request body is empty; expected a JSON object.")]
    [InlineData("{\n  \"prompt\": }", "The request body is not JSON: found '}' at line 2, byte 13.")]
    [InlineData("{\"prompt\":\"a\"", "The request body is not JSON: it ends too early, at line 1, byte 14.")]
    [InlineData("{\"prompt\":\"a\"} é", "The request body is not JSON: found 'é' at line 1, byte 16.")]
    [InlineData("{\"prompt\":\"a\",\"temperature\":NaN}", "The request body is not JSON: found 'N' at line 1, byte 29.")]
    [InlineData("{\"prompt\":\"a\nb\"}", "The request body is not JSON: found U+000A at line 1, byte 13.")]
    [InlineData("{prompt:1}", "The request body is not JSON: found 'p' at line 1, byte 2.")]
    [InlineData("[1]", "The request body must be a JSON object; found a list.")]
    [InlineData("\"a\"", "The request body must be a JSON object; found the string \"a\".")]
    [InlineData("null", "The request body must be a JSON object; found null.")]
    public async Task Post_BadBody_Answers400SayingWhere(string body, string message) =>
        (await shared.Gateway.PostErrorAsync(Path, body)).Is(400, null, message);

    [Fact]
    public async Task Post_InvalidUtf8_Answers400NamingTheByte()
    {
        using var response = await shared.Gateway.PostAsync(Path, [.. "{\"prompt\":\""u8, 0xC3, (byte)'(', .. "\"}"u8]);
        (await ApiError.ReadAsync(response)).Is(400, null, "The request body is not UTF-8: byte 12 is 0xc3.");
    }

    [Fact]
    public async Task Post_DeeplyNested_Answers400()
    {
        var body = "{\"prompt\":" + new string('[', 100_000) + new string(']', 100_000) + "}";
        (await shared.Gateway.PostErrorAsync(Path, body)).Is(
            400, null, "The request body is nested too deep: expected at most 32 lists and objects in each other; found one more at line 1, byte 42.");
    }

    [Fact]
    public async Task Post_ByteOrderMark_IsPassedOver()
    {
        using var response = await shared.Gateway.PostAsync(Path, [0xEF, 0xBB, 0xBF, .. """{"prompt":"a"}"""u8]);
        Assert.Equal(200, (int)response.StatusCode);
    }

    [Fact]
    public async Task Post_CompressedBody_Answers415()
    {
        using var content = new StringContent("""{"prompt":"a"}""", Encoding.UTF8, "application/json");
        content.Headers.ContentEncoding.Add("gzip");
        using var response = await shared.Gateway.Client.PostAsync(Path, content, TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(response)).Is(415, null, "The request body must not be compressed; found the Content-Encoding 'gzip'.");
    }

    [Fact]
    public async Task Post_LongWrongValue_IsShownCutBetweenCharacters()
    {
        var error = await shared.Gateway.PostErrorAsync(Path, $$"""{"prompt":"a","temperature":"{{new string('é', 1000)}}"}""");
        error.Is(400, "temperature", $"found the string \"{new string('é', 19)}…");
    }

    [Fact]
    public async Task Post_TextWithOtherContentType_IsReadAsJson()
    {
        using var content = new StringContent("""{"prompt":"a"}""", Encoding.UTF8, "text/plain");
        using var response = await shared.Gateway.Client.PostAsync(Path, content, TestContext.Current.CancellationToken);
        Assert.Equal(200, (int)response.StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_BodyTooLarge_Answers413(bool chunked)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new ByteArrayContent(new byte[6 << 20]) };
        request.Headers.TransferEncodingChunked = chunked;
        request.Headers.ExpectContinue = true;
        using var response = await shared.Gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(response)).Is(413, null, $"is too large: the limit is {RequestBody.LimitFor(64)} bytes.");
    }

    /// <summary>Most clients send all of a body before they read: what they are told must still be there.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_BodyTooLargeOfAClientThatSendsAllFirst_ItReadsThe413(bool chunked)
    {
        byte[] part = new byte[1 << 20];
        byte[][] body = chunked
            ? [.. Enumerable.Repeat<byte[]>([.. "100000\r\n"u8, .. part, .. "\r\n"u8], 24), "0\r\n\r\n"u8.ToArray()]
            : [.. Enumerable.Repeat(part, 24)];
        var (status, headers, answer) = await RawHttp.SendAsync(
            shared.Gateway.Client.BaseAddress!,
            [RawHttp.Post(Path, chunked ? "Transfer-Encoding: chunked" : $"Content-Length: {24 << 20}"), .. body]);
        Assert.Contains("Connection: close", headers, StringComparison.Ordinal);
        ApiError.Read(answer, status).Is(413, null, $"is too large: the limit is {RequestBody.LimitFor(64)} bytes.");
    }

    [Theory]
    [InlineData("ffffffffffffffff")]
    [InlineData("7fffffffffffffff")]
    [InlineData("100000000")]
    [InlineData("80000000")]
    [InlineData("-1")]
    [InlineData("many")]
    [InlineData("")]
    public async Task Post_ChunkOfASizeThatCannotBe_Answers400(string size)
    {
        foreach (var path in new[] { Path, "/v1/chat/completions", "/tokenize", "/detokenize" })
        {
            var (status, _, answer) = await RawHttp.SendAsync(
                shared.Gateway.Client.BaseAddress!,
                RawHttp.Post(path, "Transfer-Encoding: chunked", "Connection: close"), Encoding.ASCII.GetBytes($"{size}\r\n{{}}\r\n"));
            ApiError.Read(answer, status).Is(400, null, "The request is not valid HTTP.");
        }

        Assert.Empty(shared.Gateway.Logs.Errors);
    }

    [Fact]
    public void LimitFor_AnyContext_StaysBetween4And32MiB()
    {
        Assert.Equal((4 << 20) + (128 * 512), RequestBody.LimitFor(512));
        Assert.Equal(32 << 20, RequestBody.LimitFor(int.MaxValue));
    }

    [Fact]
    public async Task Post_MutatedRequests_AreAlwaysAnswered()
    {
        const string request =
            """
            {"model":"test-model","prompt":["a\ud83d\ude00",[1,2]],"stop":["\ud800"],"seed":-5,"temperature":0.5,
             "stream_options":{"include_usage":true}}
            """;
        var random = new Random(11);
        for (var round = 0; round < 300; round++)
        {
            var body = Encoding.UTF8.GetBytes(request);
            for (var change = 0; change <= random.Next(4); change++) body[random.Next(body.Length)] = (byte)random.Next(256);
            using var response = await shared.Gateway.PostAsync(random.Next(2) == 0 ? Path : "/tokenize", body);
            Assert.True((int)response.StatusCode is 200 or 400 or 404, $"{response.StatusCode} for {Encoding.Latin1.GetString(body)}");
        }

        Assert.Empty(shared.Gateway.Logs.Errors);
    }
}
