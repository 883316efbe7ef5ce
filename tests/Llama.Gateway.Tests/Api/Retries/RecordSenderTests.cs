using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Answers;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Gateway.Tests.Api.Retries;

/// <summary>A gateway dies in the midst of an answer, and another one gets the same request again.</summary>
public sealed class RecordSenderTests
{
    private const string Client = "address 127.0.0.1";
    private const string Completions = "/v1/completions";
    private const string Chats = "/v1/chat/completions";
    private static readonly int[] Hello = ['H', 'e', 'l', 'l', 'o', '.', TestTokenizer.End];

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Completions, """{"prompt":"Hi","stream":true,"logprobs":2,"stream_options":{"include_usage":true}}""", 3, 4)]
    [InlineData(Completions, """{"prompt":"Hi","logprobs":2,"return_token_ids":true}""", 3, 4)]
    [InlineData(Completions, """{"prompt":"Hi","max_tokens":5}""", 4, 1)]
    [InlineData(Completions, """{"prompt":"Hi","stop":["lo"],"logprobs":0}""", 4, 1)]
    [InlineData(Chats, """{"messages":[{"role":"user","content":"Hi"}],"logprobs":true,"top_logprobs":2}""", 2, 5)]
    [InlineData(Chats, """{"messages":[{"role":"user","content":"Hi"}],"stream":true}""", 5, 2)]
    public async Task Post_KeyOfAGatewayThatDied_AnswersAsIfUndisturbedAndSamplesOnlyWhatIsMissing(
        string path, string body, int known, int sampled)
    {
        var records = new StoredRecords();
        var id = await DieAfterAsync(records, path, body, known);
        await using var alone = await StartAsync(new StoredRecords { Keeper = null });
        var undisturbed = await PostAsync(alone, path, body);

        await using var other = await StartAsync(records);
        var retry = await PostAsync(other, path, body);
        Assert.Equal(200, retry.Status);
        Assert.Equal(id, IdOf(retry.Body));
        Assert.Equal(undisturbed.Body.Replace(IdOf(undisturbed.Body), id, StringComparison.Ordinal), retry.Body);
        Assert.Equal((known, sampled), (other.Grain.Single.ResumedTokens.Count, other.Grain.Sampled));
        Assert.Equal(alone.Grain.Single.Seed, other.Grain.Single.Seed);

        // Another died in turn.
        await records.HasAsync(Client, "k", known + sampled);
        await using var third = await StartAsync(records);
        Assert.Equal(retry, await PostAsync(third, path, body));
        Assert.Equal(0, third.Grain.Sampled);
    }

    [Fact]
    public async Task Post_SeveralChoicesOfUnequalLength_EachGoesOnFromItsOwnTokens()
    {
        // Of the first prompt's choices one is complete and one has two tokens, of the second's one has a token and one has none.
        const string body = """{"prompt":["Hi","Ho"],"n":2,"seed":0,"logprobs":1}""";
        int[] known = [7, 2, 1, 0];
        var records = new StoredRecords();
        await using (var first = await StartAsync(records))
        {
            first.Grain.BeforeTokenOf = (request, position, token) =>
                position < known[Index(request)] ? Task.CompletedTask : Task.Delay(Timeout.Infinite, token);
            var answer = SendAsync(first, Completions, body, "k");
            await records.HasAsync(Client, "k", 10);
            first.Grain.Records = new StoredRecords { Keeper = null };
            await first.StopAsync();
            (await answer).Dispose();
        }

        await using var alone = await StartAsync(new StoredRecords { Keeper = null });
        var undisturbed = await PostAsync(alone, Completions, body);
        await using var other = await StartAsync(records);
        var retry = await PostAsync(other, Completions, body);
        Assert.Equal(
            undisturbed.Body.Replace(IdOf(undisturbed.Body), IdOf(retry.Body), StringComparison.Ordinal), retry.Body);
        Assert.Equal([(1, 2), (2, 1), (3, 0)], other.Grain.Requests.Select(request => (Index(request), request.ResumedTokens.Count)).Order());
        Assert.Equal(18, other.Grain.Sampled);

        static int Index(GenerationRequest request) => (request.PromptTokens[^1] == 'i' ? 0 : 2) + (int)request.Seed;
    }

    [Fact]
    public async Task Post_CompleteAnswerOfAnotherGateway_IsServedWithoutTheGrain()
    {
        const string body = """{"prompt":"Hi","logprobs":2,"stop":["."]}""";
        var records = new StoredRecords();
        (int Status, string Body) first;
        await using (var gateway = await StartAsync(records))
        {
            first = await PostAsync(gateway, Completions, body);
            await records.HasAsync(Client, "k", 6);
        }

        await using var other = await StartAsync(records);
        Assert.Equal(first, await PostAsync(other, Completions, body));
        Assert.Empty(other.Grain.Requests);
    }

    [Fact]
    public async Task Post_AnotherRequestUnderTheKeyOfARecord_IsRefused()
    {
        var records = new StoredRecords();
        await DieAfterAsync(records, Completions, """{"prompt":"Hi"}""", 3);
        await using var other = await StartAsync(records);
        var refused = await PostAsync(other, Completions, """{"prompt":"Ho"}""");
        Assert.Equal(422, refused.Status);
        Assert.Contains("idempotency_key_reused", refused.Body, StringComparison.Ordinal);
        Assert.Empty(other.Grain.Requests);
    }

    [Fact]
    public async Task Post_RecordThatIsNone_BeginsFromThePrompt()
    {
        var records = new StoredRecords();
        byte[] bytes = [.. Enumerable.Repeat((byte)0xff, 500)];
        await records.AppendAsync([new RecordPart(AnswerRecord.NameOf(Client, "k"), 0, bytes)], TestEnds);
        await using var gateway = await StartAsync(records);
        Assert.Equal(200, (await PostAsync(gateway, Completions, """{"prompt":"Hi"}""")).Status);
        Assert.Equal(7, gateway.Grain.Sampled);
        await records.HasAsync(Client, "k", 7);
    }

    [Fact]
    public async Task PostStream_SiloThatHangs_HoldsUpNoAnswer()
    {
        var records = new StoredRecords { BeforeAppend = token => Task.Delay(Timeout.Infinite, token) };
        await using var gateway = await StartAsync(records);
        for (var i = 0; i < 3; i++)
            Assert.Equal(200, (await PostAsync(gateway, Completions, """{"prompt":"Hi","stream":true}""", $"k{i}")).Status);
        Assert.Empty(gateway.Logs.Errors);
    }

    [Fact]
    public async Task Keeper_AnswersNoMoreAndIsAnotherThen_GetsAllRecordsFromTheirBeginning()
    {
        const string body = """{"prompt":"Hi"}""";
        var records = new StoredRecords();
        await using var gateway = await StartAsync(records);
        await PostAsync(gateway, Completions, body, "k1");
        await records.HasAsync(Client, "k1", 7);
        records.Answers = false;
        await PostAsync(gateway, Completions, body, "k2");
        var next = new StoredRecords { Keeper = "silo-2" };
        gateway.Grain.Records = next;
        await next.HasAsync(Client, "k1", 7);
        await next.HasAsync(Client, "k2", 7);
    }

    [Fact]
    public async Task Keeper_HasLostARecord_GetsItAgainWithItsNextToken()
    {
        var records = new StoredRecords();
        await using var gateway = await StartAsync(records);
        var goOn = new TaskCompletionSource();
        gateway.Grain.BeforeToken = (position, token) => position < 3 ? Task.CompletedTask : goOn.Task.WaitAsync(token);
        using var response = await SendAsync(gateway, Completions, """{"prompt":"Hi","stream":true}""", "k");
        await records.HasAsync(Client, "k", 3);
        gateway.Grain.Records = new StoredRecords();
        goOn.SetResult();
        await ((StoredRecords)gateway.Grain.Records).HasAsync(Client, "k", 7);
    }

    /// <summary>A gateway that has sampled some tokens, all of which are in the record, and dies.</summary>
    /// <returns>The answer's id.</returns>
    private static async Task<string> DieAfterAsync(StoredRecords records, string path, string body, int tokens)
    {
        await using var gateway = await StartAsync(records);
        gateway.Grain.BeforeToken = (position, token) => position < tokens ? Task.CompletedTask : Task.Delay(Timeout.Infinite, token);
        var answer = SendAsync(gateway, path, body, "k");
        await records.HasAsync(Client, "k", tokens);

        // What it would still send it does not any more.
        gateway.Grain.Records = new StoredRecords { Keeper = null };
        var record = AnswerRecord.Read((await records.FindAsync(AnswerRecord.NameOf(Client, "k"), TestEnds)).Span, 1000)!;
        await gateway.StopAsync();
        (await answer).Dispose();
        return record.Id;
    }

    private static async Task<TestGateway> StartAsync(StoredRecords records)
    {
        var gateway = await TestGateway.StartAsync(new TestTokenizer(), time: new StoppedCalendar());
        gateway.Grain.Records = records;
        gateway.Grain.Script = _ => Hello;
        gateway.Grain.TopLogprobs = token => [new TokenLogprob(token, -0.5f), new TokenLogprob('x', -1.5f)];
        gateway.Grain.CachedTokens = _ => 1;
        return gateway;
    }

    private static string IdOf(string body)
    {
        var isStream = body.StartsWith("data: ", StringComparison.Ordinal);
        var json = isStream ? body["data: ".Length..body.IndexOf('\n', StringComparison.Ordinal)] : body;
        return JsonElement.Parse(json).GetProperty("id").GetString()!;
    }

    private static async Task<(int Status, string Body)> PostAsync(TestGateway gateway, string path, string body, string key = "k")
    {
        using var response = await SendAsync(gateway, path, body, key);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestEnds));
    }

    private static async Task<HttpResponseMessage> SendAsync(TestGateway gateway, string path, string body, string key)
    {
        using var content = new StringContent(body);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        request.Headers.Add("Idempotency-Key", key);
        return await gateway.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestEnds);
    }

    /// <summary>Every answer was created at the same time; all else takes its time.</summary>
    private sealed class StoppedCalendar : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeSeconds(1_700_000_123);
    }
}
