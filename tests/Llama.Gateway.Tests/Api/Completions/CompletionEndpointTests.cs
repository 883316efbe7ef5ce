using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Model.Sampling;

namespace Llama.Gateway.Tests.Api.Completions;

public sealed class CompletionEndpointTests
{
    private const string Path = "/v1/completions";

    [Fact]
    public async Task Post_Prompt_AnswersWithTextAndUsage()
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync(Path, """{"model":"test-model","prompt":"Hi","seed":-2}""");
        Assert.StartsWith("cmpl-", answer.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("text_completion", answer.GetProperty("object").GetString());
        Assert.Equal("test-model", answer.GetProperty("model").GetString());
        var choice = Assert.Single(answer.GetProperty("choices").EnumerateArray());
        Assert.Equal("""{"index":0,"text":"Hello.","logprobs":null,"finish_reason":"stop","seed":-2}""", choice.GetRawText());
        Assert.Equal(
            """{"prompt_tokens":3,"completion_tokens":7,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":0}}""",
            answer.GetProperty("usage").GetRawText());
        Assert.Equal([TestTokenizer.Begin, 'H', 'i'], gateway.Grain.Single.PromptTokens);
        Assert.Equal(ulong.MaxValue - 1, gateway.Grain.Single.Seed);
        Assert.Equal(16, gateway.Grain.Single.MaxTokens);
    }

    [Fact]
    public async Task Post_AllParameters_ReachTheGrain()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.PostOkAsync(
            Path,
            """
            {"prompt":[72,105],"max_tokens":5.0,"temperature":0.5,"top_p":0.25,"top_k":7,"min_p":0.125,"seed":9,"ignore_eos":true,
             "user":"me","store":false,"logit_bias":{},"echo":false,"presence_penalty":0,
             "priority":-3,"timeout":2.5,"session_id":"s-1"}
            """);
        var request = gateway.Grain.Single;
        Assert.Equal([72, 105], request.PromptTokens);
        Assert.Equal((5, 9ul, true, 0), (request.MaxTokens!.Value, request.Seed, request.IgnoreEndTokens, request.TopLogprobs));
        var sampling = request.Sampling;
        Assert.Equal((0.5f, 7, 0.25f, 0.125f), (sampling.Temperature, sampling.TopK, sampling.TopP, sampling.MinP));
        Assert.Equal((3, TimeSpan.FromSeconds(2.5), "s-1"), (request.Priority, request.Timeout!.Value, request.Session));
        Assert.Equal("address 127.0.0.1", request.Client);
    }

    [Fact]
    public async Task Post_BestOf_AnswersWithThoseOfTheHighestMeanLogProbability()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = request => ['a' + (int)request.Seed - 11, TestTokenizer.End];
        gateway.Grain.LogProbability = request => request.Seed switch { 12 => -0.25f, 13 => -0.125f, _ => -0.5f };
        var answer = await gateway.PostOkAsync(Path, """{"prompt":["Hi","Ho"],"seed":11,"n":2,"best_of":4}""");
        Assert.Equal(
            [(0, "c", 13), (1, "b", 12), (2, "c", 13), (3, "b", 12)],
            answer.GetProperty("choices").EnumerateArray().Select(choice =>
                (choice.GetProperty("index").GetInt32(), choice.GetProperty("text").GetString(), choice.GetProperty("seed").GetInt32())));
        Assert.Equal(8, gateway.Grain.Requests.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_Echo_BeginsEveryChoiceWithItsPrompt(bool stream)
    {
        await using var gateway = await TestGateway.StartAsync();
        const string request = """{"prompt":["Hi","é"],"n":2,"echo":true,"stream":STREAM}""";
        string[] texts = new string[4];
        if (stream)
        {
            foreach (var part in await gateway.PostPartsAsync(Path, request.Replace("STREAM", "true", StringComparison.Ordinal)))
            {
                var choice = part.GetProperty("choices")[0];
                texts[choice.GetProperty("index").GetInt32()] += choice.GetProperty("text").GetString();
            }
        }
        else
        {
            var answer = await gateway.PostOkAsync(Path, request.Replace("STREAM", "false", StringComparison.Ordinal));
            texts = [.. answer.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()!)];
        }

        Assert.Equal(["HiHello.", "HiHello.", "éHello.", "éHello."], texts);
    }

    [Fact]
    public async Task Post_MinTokens_LetsTheFirstPassTheStopStrings()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => [.. "abcabc".Select(character => (int)character), TestTokenizer.End];
        var answer = await gateway.PostOkAsync(Path, """{"prompt":"Hi","stop":["bc"],"min_tokens":2}""");
        Assert.Equal("abca", answer.GetProperty("choices")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task Post_ApiKey_TellsClientsApartAndIsNotKept()
    {
        await using var gateway = await TestGateway.StartAsync();
        foreach (var key in new[] { "sk-1", "sk-2", "sk-1" })
        {
            gateway.Client.DefaultRequestHeaders.Authorization = new("Bearer", key);
            await gateway.PostOkAsync(Path, """{"prompt":"Hi"}""");
        }

        var clients = gateway.Grain.Requests.Select(request => request.Client).ToList();
        Assert.Equal(clients[0], clients[2]);
        Assert.NotEqual(clients[0], clients[1]);
        Assert.All(clients, client => Assert.Matches("^key [0-9A-F]{32}$", client));
    }

    [Fact]
    public async Task Post_CachedTokens_AreCountedOnceForEachPrompt()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.CachedTokens = request => (request.PromptTokens.Count * 10) + (int)request.Seed;
        var answer = await gateway.PostOkAsync(Path, """{"prompt":[[72],[73,74]],"n":2,"seed":3}""");
        Assert.Equal(13 + 23, answer.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32());
    }

    [Fact]
    public async Task Post_Defaults_AreOpenAIs()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.PostOkAsync(Path, """{"prompt":"Hi","temperature":null,"top_k":-1,"n":null}""");
        var sampling = gateway.Grain.Single.Sampling;
        Assert.Equal((1f, 0, 1f, 0f), (sampling.Temperature, sampling.TopK, sampling.TopP, sampling.MinP));
    }

    [Fact]
    public async Task Post_NoSeed_TakesItFromTheInjectedRandom()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.PostOkAsync(Path, """{"prompt":["a","a"],"n":2}""");
        var random = new Random(7);
        var first = (ulong)random.NextInt64(1L << 53);
        var second = (ulong)random.NextInt64(1L << 53);
        Assert.Equal(
            new[] { first, first + 1, second, second + 1 }.Order(), gateway.Grain.Requests.Select(request => request.Seed).Order());
    }

    [Theory]
    [InlineData("")]
    [InlineData(",\"seed\":-1")]
    [InlineData(",\"seed\":null")]
    public async Task Post_RandomSeed_IsAnotherEachTimeAndIsTold(string field)
    {
        await using var gateway = await TestGateway.StartAsync();
        for (var round = 0; round < 2; round++)
        {
            var answer = await gateway.PostOkAsync(Path, $$"""{"prompt":["a","b"],"n":2{{field}}}""");
            var told = answer.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("seed").GetInt64()).ToList();
            Assert.Equal(told.Order(), gateway.Grain.Requests.Skip(4 * round).Select(request => (long)request.Seed).Order());
            Assert.Equal((told[0] + 1, told[2] + 1), (told[1], told[3]));
            Assert.All(told, seed => Assert.InRange(seed, 0, 1L << 53));
        }

        Assert.Equal(8, gateway.Grain.Requests.Select(request => request.Seed).Distinct().Count());
    }

    [Fact]
    public async Task PostStream_Seed_IsInTheFirstAndTheLastPartOfEachChoice()
    {
        await using var gateway = await TestGateway.StartAsync();
        var parts = await gateway.PostPartsAsync(Path, """{"prompt":"Hi","stream":true,"n":2,"seed":7}""");
        foreach (var choice in parts.Select(part => part.GetProperty("choices")[0]).GroupBy(choice => choice.GetProperty("index").GetInt32()))
        {
            var seeds = choice.Select(part => part.TryGetProperty("seed", out var seed) ? seed.GetInt32() : -1).ToList();
            Assert.Equal([7 + choice.Key, .. Enumerable.Repeat(-1, seeds.Count - 2), 7 + choice.Key], seeds);
        }
    }

    [Fact]
    public async Task Post_SeveralPromptsAndChoices_AnswersInOrder()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = request => [request.PromptTokens[^1], '0' + (int)request.Seed, TestTokenizer.End];
        var answer = await gateway.PostOkAsync(Path, """{"prompt":["a","b"],"n":2,"seed":3}""");
        Assert.Equal(
            ["0 a3", "1 a4", "2 b3", "3 b4"],
            answer.GetProperty("choices").EnumerateArray().Select(choice => $"{choice.GetProperty("index")} {choice.GetProperty("text")}"));
        Assert.Equal(
            """{"prompt_tokens":4,"completion_tokens":12,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":0}}""",
            answer.GetProperty("usage").GetRawText());
    }

    [Theory]
    [InlineData("[[72],[73,74]]", "72|73 74")]
    [InlineData("[[72]]", "72")]
    [InlineData("[\"H\"]", "256 72")]
    [InlineData("\"\\ud800\"", "256 239 191 189")]
    [InlineData("\"<begin>H\"", "256 72")]
    [InlineData("\"H<step><begin>\"", "256 72 258 256")]
    public async Task Post_PromptForms_BecomeTokens(string prompt, string expected)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.PostOkAsync(Path, $$"""{"prompt":{{prompt}}}""");
        var prompts = gateway.Grain.Requests.Select(request => string.Join(' ', request.PromptTokens)).Order(StringComparer.Ordinal);
        Assert.Equal(expected, string.Join('|', prompts));
    }

    [Theory]
    [InlineData("", 0.5f, 3, 0.8f, 0.1f)]
    [InlineData(""","temperature":0.25,"top_p":1""", 0.25f, 3, 1f, 0.1f)]
    [InlineData(""","top_k":-1,"min_p":0""", 0.5f, 0, 0.8f, 0f)]
    public async Task Post_WithoutSampling_TakesTheCheckpointsDefaults(string fields, float temperature, int topK, float topP, float minP)
    {
        await using var gateway = await TestGateway.StartAsync(
            new TestTokenizer(), sampling: new SamplingParameters { Temperature = 0.5f, TopK = 3, TopP = 0.8f, MinP = 0.1f });
        await gateway.PostOkAsync(Path, $$"""{"prompt":"x"{{fields}}}""");
        var expected = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP };
        Assert.Equal(expected, gateway.Grain.Single.Sampling);
    }

    [Fact]
    public async Task Post_NoSpecialTokens_LeavesBeginOfTextOut()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.PostOkAsync(Path, """{"prompt":"H","add_special_tokens":false}""");
        Assert.Equal(['H'], gateway.Grain.Single.PromptTokens);
    }

    [Fact]
    public async Task Post_MaxTokens_FinishesWithLength()
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync(Path, """{"prompt":"Hi","max_tokens":2}""");
        var choice = answer.GetProperty("choices")[0];
        Assert.Equal(("He", "length"), (choice.GetProperty("text").GetString(), choice.GetProperty("finish_reason").GetString()));
    }

    [Fact]
    public async Task Post_TextOfSeveralBytesPerCharacter_IsNeverSplit()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => [.. "é😀"u8.ToArray().Select(value => (int)value), 0xE2, TestTokenizer.End];
        var parts = await gateway.PostPartsAsync(Path, """{"prompt":"Hi","stream":true}""");
        Assert.Equal(["", "é", "😀", "\uFFFD"], parts.Select(part => part.GetProperty("choices")[0].GetProperty("text").GetString()));
    }

    [Fact]
    public async Task Post_SentencePiecePromptOfBeginOfTextAlone_DropsTheLeadingSpace()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer { AddsLeadingSpace = true });
        gateway.Grain.Script = _ => [' ', 'a', TestTokenizer.End];
        var start = await gateway.PostOkAsync(Path, """{"prompt":[256]}""");
        var later = await gateway.PostOkAsync(Path, """{"prompt":"x"}""");
        Assert.Equal("a", start.GetProperty("choices")[0].GetProperty("text").GetString());
        Assert.Equal(" a", later.GetProperty("choices")[0].GetProperty("text").GetString());
    }

    [Theory]
    [InlineData("false", "a", "stop", 2)]
    [InlineData("true", "ab", "length", 3)]
    public async Task Post_EndTokenOfTheVocabulary_EndsTheAnswerUnlessIgnored(string ignore, string text, string finish, int tokens)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer { EndTokens = [TestTokenizer.Step] });
        gateway.Grain.Script = _ => ['a', TestTokenizer.Step, 'b', 'c'];
        var answer = await gateway.PostOkAsync(Path, $$"""{"prompt":"x","max_tokens":3,"ignore_eos":{{ignore}}}""");
        var choice = answer.GetProperty("choices")[0];
        Assert.Equal((text, finish), (choice.GetProperty("text").GetString(), choice.GetProperty("finish_reason").GetString()));
        Assert.Equal(tokens, answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Post_StopStringAcrossTokens_IsCutAndEndsTheGeneration()
    {
        var tokenizer = new TestTokenizer("wor", "ld!", " and", " more");
        await using var gateway = await TestGateway.StartAsync(tokenizer);
        gateway.Grain.Script = _ => [tokenizer.Word("wor"), tokenizer.Word("ld!"), tokenizer.Word(" and"), tokenizer.Word(" more")];
        var answer = await gateway.PostOkAsync(Path, """{"prompt":"Hi","stop":["xyz","rld"],"max_tokens":50,"return_token_ids":true,"seed":1}""");
        Assert.Equal(
            """{"index":0,"text":"wo","logprobs":null,"finish_reason":"stop","seed":1,"token_ids":[259,260],"prompt_token_ids":[256,72,105]}""",
            answer.GetProperty("choices")[0].GetRawText());
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal(1, gateway.Grain.Cancelled);
    }

    [Fact]
    public async Task PostStream_StopStringAcrossTokens_NeverSendsAPartOfIt()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => "one\n\ntwo"u8.ToArray().Select(value => (int)value);
        var parts = await gateway.PostPartsAsync(Path, """{"prompt":"Hi","stream":true,"stop":"\n\n"}""");
        Assert.Equal(["o", "n", "e", ""], parts.Select(part => part.GetProperty("choices")[0].GetProperty("text").GetString()));
        Assert.Equal("stop", parts[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task PostStream_Tokens_ArriveOneByOneWhileTheyAreGenerated()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var gate = new SemaphoreSlim(0);
        gateway.Grain.BeforeToken = (_, token) => gate.WaitAsync(token);
        gate.Release();
        using var response = await gateway.PostAsync(Path, """{"prompt":"Hi","stream":true}""", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        foreach (var letter in "Hello")
        {
            var line = await reader.ReadLineAsync(TestContext.Current.CancellationToken);
            Assert.Contains($"\"text\":\"{letter}\"", line, StringComparison.Ordinal);
            Assert.Equal("", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
            gate.Release();
        }
    }

    [Fact]
    public async Task PostStream_UsageAndTokenIds_AreInTheParts()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['a', TestTokenizer.End];
        var parts = await gateway.PostPartsAsync(
            Path, """{"prompt":"Hi","stream":true,"stream_options":{"include_usage":true},"return_token_ids":true,"seed":1}""");
        Assert.Equal(
            """[{"index":0,"text":"a","logprobs":null,"finish_reason":null,"seed":1,"token_ids":[97],"prompt_token_ids":[256,72,105]}]""",
            parts[0].GetProperty("choices").GetRawText());
        Assert.Equal(
            """[{"index":0,"text":"","logprobs":null,"finish_reason":"stop","seed":1,"token_ids":[257]}]""",
            parts[1].GetProperty("choices").GetRawText());
        Assert.Equal(JsonValueKind.Null, parts[1].GetProperty("usage").ValueKind);
        Assert.Equal("[]", parts[2].GetProperty("choices").GetRawText());
        Assert.Equal(
            """{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}""",
            parts[2].GetProperty("usage").GetRawText());
        Assert.Equal(3, parts.Count);
    }

    [Fact]
    public async Task PostStream_SeveralChoices_EachIsCompleteAndInOrder()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = async (_, token) => await Task.Delay(1, token);
        var parts = await gateway.PostPartsAsync(Path, """{"prompt":"Hi","stream":true,"n":16}""");
        var texts = parts.Select(part => part.GetProperty("choices")[0])
            .GroupBy(choice => choice.GetProperty("index").GetInt32())
            .ToDictionary(group => group.Key, group => string.Concat(group.Select(choice => choice.GetProperty("text").GetString())));
        Assert.Equal(Enumerable.Range(0, 16), texts.Keys.Order());
        Assert.All(texts.Values, text => Assert.Equal("Hello.", text));
    }

    [Fact]
    public async Task Post_LogProbabilities_AreInOpenAIsShape()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['a', 0xC3, 0xA9, 'b', TestTokenizer.End];
        gateway.Grain.TopLogprobs = token => [new TokenLogprob('z', -0.25f), new TokenLogprob(0xC3, float.NegativeInfinity)];
        var answer = await gateway.PostOkAsync(Path, """{"prompt":"Hi","logprobs":2}""");
        Assert.Equal(2, gateway.Grain.Single.TopLogprobs);
        var found = answer.GetProperty("choices")[0].GetProperty("logprobs");
        Assert.Equal("""["a","\uFFFD","\uFFFD","b","token_id:257"]""", Escaped(found.GetProperty("tokens")));
        Assert.Equal("[-0.5,-0.5,-0.5,-0.5,-0.5]", found.GetProperty("token_logprobs").GetRawText());
        Assert.Equal("""{"z":-0.25,"\uFFFD":-9999,"a":-0.5}""", Escaped(found.GetProperty("top_logprobs")[0]));
        Assert.Equal("""{"z":-0.25,"\uFFFD":-9999}""", Escaped(found.GetProperty("top_logprobs")[1]));
        Assert.Equal("[0,1,1,2,3]", found.GetProperty("text_offset").GetRawText());
    }

    [Fact]
    public async Task Post_ModelWithoutTokenizer_ServesTokenIdsAlone()
    {
        await using var gateway = await TestGateway.StartAsync(tokenizer: null);
        gateway.Grain.Script = _ => [5, 6, TestTokenizer.End];
        var answer = await gateway.PostOkAsync(Path, """{"prompt":[1,2],"seed":1}""");
        Assert.Equal(
            """{"index":0,"text":"","logprobs":null,"finish_reason":"stop","seed":1,"token_ids":[5,6,257],"prompt_token_ids":[1,2]}""",
            answer.GetProperty("choices")[0].GetRawText());
        (await gateway.PostErrorAsync(Path, """{"prompt":"Hi"}""")).Is(400, "prompt", "has no tokenizer");
    }

    [Fact]
    public async Task PostStream_ClientGoesAway_CancelsTheGeneration()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, token) => position < 2 ? Task.CompletedTask : Task.Delay(Timeout.Infinite, token);
        using (var response = await gateway.PostAsync(Path, """{"prompt":"Hi","stream":true}""", HttpCompletionOption.ResponseHeadersRead))
            Assert.Equal(200, (int)response.StatusCode);
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal(1, gateway.Grain.Cancelled);
        Assert.Empty(gateway.Logs.Errors);
    }

    [Fact]
    public async Task Post_ClientGoesAway_CancelsEveryChoice()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var leaving = new CancellationTokenSource();
        using var started = new SemaphoreSlim(0);
        gateway.Grain.BeforeToken = (_, token) =>
        {
            started.Release();
            return Task.Delay(Timeout.Infinite, token);
        };
        using var content = new StringContent("""{"prompt":"Hi","n":2}""");
        var post = gateway.Client.PostAsync(Path, content, leaving.Token);
        await started.WaitAsync(TestContext.Current.CancellationToken);
        await started.WaitAsync(TestContext.Current.CancellationToken);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => post);
        await gateway.Grain.WaitForEndAsync();
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal(2, gateway.Grain.Cancelled);
        Assert.Empty(gateway.Logs.Errors);
    }

    private static string Escaped(JsonElement element) => JsonSerializer.Serialize(element);
}
