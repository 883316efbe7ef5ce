extern alias client;

using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Llama.Gateway.Tests.Hosting;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;
using client::Llama.V1;

namespace Llama.Gateway.Tests.Api.Rpc;

public sealed class InferenceServiceTests
{
    [Fact]
    public async Task Generate_Prompt_StreamsTextTokensSeedAndUsage()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var parts = await client.GenerateAsync(new GenerateRequest { Prompt = "Hi", Seed = 7, MaxTokens = 9, Temperature = 0.7f, TopP = 0.5f, Stop = { "x", "y" } });
        Assert.Equal("Hello.", RpcClient.TextOf(parts));
        Assert.Equal(['H', 'e', 'l', 'l', 'o', '.', TestTokenizer.End], parts.SkipLast(1).Select(part => part.Choice.Tokens.Single().Id));
        Assert.Equal("H"u8.ToArray(), parts[0].Choice.Tokens[0].Bytes.ToByteArray());
        Assert.All(parts, part => Assert.False(part.Choice?.Tokens[0].HasLogprob ?? false));
        Assert.Equal("stop", parts[^2].Choice.FinishReason);
        Assert.Equal((true, false, true), (parts[0].Choice.HasSeed, parts[1].Choice.HasSeed, parts[6].Choice.HasSeed));
        Assert.Equal(new Usage { PromptTokens = 3, CompletionTokens = 7, TotalTokens = 10 }, parts[^1].Usage);
        Assert.Single(parts.Select(part => (part.Id, part.Model)).Distinct());
        var request = gateway.Grain.Single;
        Assert.Equal([TestTokenizer.Begin, 'H', 'i'], request.PromptTokens);
        Assert.Equal((7ul, (int?)9, 0.7f, 0.5f), (request.Seed, request.MaxTokens, request.Sampling.Temperature, request.Sampling.TopP));
    }

    [Fact]
    public async Task Generate_TokenIdsAndLogprobs_AreTakenAndTold()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.TopLogprobs = token => [new TokenLogprob(token, -0.5f), new TokenLogprob('z', float.NegativeInfinity)];
        using var client = new RpcClient(gateway);
        var parts = await client.GenerateAsync(new GenerateRequest { PromptTokenIds = { 72, 105 }, Logprobs = 2, ReturnTokenIds = true, N = 2 });
        Assert.All(gateway.Grain.Requests, request => Assert.Equal([72, 105], request.PromptTokens));
        var first = parts.First(part => part.Choice?.Index == 1).Choice;
        Assert.Equal([72, 105], first.PromptTokenIds);
        Assert.Equal((-0.5f, 'z', float.NegativeInfinity), (first.Tokens[0].Logprob, (char)first.Tokens[0].TopLogprobs[1].Id, first.Tokens[0].TopLogprobs[1].Logprob));
    }

    [Fact]
    public async Task Chat_Tools_AreToldCalledAndAnswered()
    {
        var tokenizer = new TestTokenizer();
        await using var gateway = await TestGateway.StartAsync(tokenizer);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        gateway.Grain.Script = _ => [.. tokenizer.Encode("{\"name\": \"f\", \"parameters\": {\"a\": 1}}"), TestTokenizer.End];
        using var client = new RpcClient(gateway);
        var parts = await client.ChatAsync(new ChatRequest
        {
            Messages =
            {
                new Message { Role = "user", Content = "Q" },
                new Message { Role = "assistant", ToolCalls = { new ToolCall { Id = "c", Function = new CalledFunction { Name = "f", Arguments = "{}" } } } },
                new Message { Role = "tool", ToolCallId = "c", Content = "R" },
            },
            Tools = { new Tool { Function = new Function { Name = "f", Parameters = """{"properties":{"a":{"type":"integer"}}}""" } } },
            RequiredTool = new ToolChoice { Function = new ChosenFunction { Name = "f" } },
        });
        var calls = parts.Where(part => part.Choice is not null).SelectMany(part => part.Choice.ToolCalls).ToList();
        Assert.Equal(("f", "{\"a\": 1}"), (calls[0].Name, string.Concat(calls.Select(call => call.Arguments))));
        Assert.StartsWith("call_", Assert.Single(calls, call => call.HasId).Id, StringComparison.Ordinal);
        Assert.Equal("tool_calls", parts[^2].Choice.FinishReason);
        Assert.Equal("", RpcClient.TextOf(parts));
        Assert.Contains("The function f returned:\nR", tokenizer.Decode(gateway.Grain.Single.PromptTokens), StringComparison.Ordinal);
        Assert.Contains("integer", gateway.Grain.Single.Grammar!.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_Messages_AreWrittenByTheTemplate()
    {
        await using var gateway = await TestGateway.StartAsync(
            new TestTokenizer(), jinja: "{% for message in messages %}{{ message['content'] }}{{ mood }}{{ list[1] }}{% endfor %}");
        using var client = new RpcClient(gateway);
        var variables = new Struct { Fields = { ["mood"] = Value.ForString("!"), ["list"] = Value.ForList(Value.ForNumber(1), Value.ForNumber(2.5)) } };
        var parts = await client.ChatAsync(new ChatRequest { Messages = { new Message { Role = "user", Content = "Hi" } }, ChatTemplateKwargs = variables });
        Assert.Equal("Hello.", RpcClient.TextOf(parts));
        Assert.Equal("Hi!2.5".Select(character => (int)character), gateway.Grain.Single.PromptTokens);
    }

    [Theory]
    [InlineData("""{"prompt":"a","temperature":3}""", "temperature", "must be a number from 0 to 2; found the number 3")]
    [InlineData("""{"prompt":"a","temperature":"NaN"}""", "temperature", "must be a number from 0 to 2; found the string \"NaN\"")]
    [InlineData("""{"prompt":"a","promptTokenIds":[1]}""", "prompt", "is given twice")]
    [InlineData("""{"temperature":1}""", "prompt", "is missing")]
    [InlineData("""{"promptTokenIds":[-1]}""", "prompt", "must be a token id")]
    [InlineData("""{"prompt":"a","maxTokens":64}""", "prompt", "context is 64 tokens")]
    public async Task Generate_BadField_IsInvalidArgumentWithItsName(string json, string param, string message)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var refusal = await client.RefusedAsync(GenerateRequest.Parser.ParseJson(json));
        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.Equal(param, refusal.Trailers.GetValue("x-error-param"));
        Assert.Contains(message, refusal.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(gateway.Grain.Requests);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Generate_FieldThatNobodyKnows_IsRefusedUnlessUnknownFieldsPass(bool ignores)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), ignoreUnknownFields: ignores);
        using var client = new RpcClient(gateway);

        // Field 999, a varint.
        var request = GenerateRequest.Parser.ParseFrom([.. new GenerateRequest { Prompt = "a" }.ToByteArray(), 0xB8, 0x3E, 1]);
        if (ignores) Assert.NotEmpty(await client.GenerateAsync(request));
        else Assert.Equal("unknown_parameter", (await client.RefusedAsync(request)).Trailers.GetValue("x-error-code"));
    }

    [Fact]
    public async Task Generate_OtherModel_IsNotFound()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        Assert.Equal(StatusCode.NotFound, (await client.RefusedAsync(new GenerateRequest { Model = "other", Prompt = "a" })).StatusCode);
    }

    [Fact]
    public async Task Generate_Overloaded_TellsWhenToTryAgain()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (_, _) => throw new Grains.Generation.GenerationException(
            Grains.Generation.GenerationError.Overloaded, "Too many.", TimeSpan.FromSeconds(2));
        using var client = new RpcClient(gateway);
        var refusal = await client.RefusedAsync(new GenerateRequest { Prompt = "a" });
        Assert.Equal((StatusCode.ResourceExhausted, "2000"), (refusal.StatusCode, refusal.Trailers.GetValue("grpc-retry-pushback-ms")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Generate_DeadlineOrCancelled_EndsTheGeneration(bool deadline)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, ending) => position == 0 ? Task.CompletedTask : Task.Delay(TimeSpan.FromSeconds(20), ending);
        using var client = new RpcClient(gateway);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        using var call = client.Inference.Generate(
            new GenerateRequest { Prompt = "a" }, deadline: deadline ? DateTime.UtcNow.AddSeconds(1) : null, cancellationToken: stop.Token);
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        if (!deadline) await stop.CancelAsync();
        var end = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal(deadline ? StatusCode.DeadlineExceeded : StatusCode.Cancelled, end.StatusCode);
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal(1, gateway.Grain.Cancelled);
    }

    [Fact]
    public async Task Generate_IdempotencyKey_GivesTheSameAnswerAgain()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var request = new GenerateRequest { Prompt = "a" };
        var first = await client.GenerateAsync(request, ("idempotency-key", "k"));
        Assert.Equal(first, await client.GenerateAsync(request, ("idempotency-key", "k")));
        Assert.Single(gateway.Grain.Requests);
    }

    [Fact]
    public async Task Generate_PromptLogprobs_AreInTheFirstPart()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var parts = await client.GenerateAsync(new GenerateRequest { PromptTokenIds = { 'H', 'i' }, PromptLogprobs = 1 });
        Assert.Equal(
            [
                new Token { Id = 'H', Bytes = ByteString.CopyFromUtf8("H") },
                new Token
                {
                    Id = 'i', Bytes = ByteString.CopyFromUtf8("i"), Logprob = -1, Rank = 2,
                    TopLogprobs = { new Token { Id = 'z', Bytes = ByteString.CopyFromUtf8("z"), Logprob = -0.5f } },
                },
            ],
            parts[0].Choice.PromptTokens);
        Assert.Empty(parts[1].Choice.PromptTokens);
    }

    [Fact]
    public async Task Embed_TextsAndTokenIds_StreamsAVectorOfEachAndTheUsage()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var texts = await client.EmbedAsync(new EmbedRequest { Input = { "Hi", "You" }, Pooling = "last", AddSpecialTokens = false });
        Assert.Equal([(0, 2f, -1f), (1, 3f, -1f)], texts.SkipLast(1).Select(part => (part.Index, part.Values[0], part.Values[2])));
        Assert.Equal(new Usage { PromptTokens = 5, TotalTokens = 5 }, texts[^1].Usage);
        var ids = await client.EmbedAsync(new EmbedRequest { InputTokenIds = { new TokenIds { Ids = { 5, 6, 7 } } } });
        Assert.Equal([3f, 7f, 0.5f], ids[0].Values);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => client.EmbedAsync(new EmbedRequest { Input = { "a" }, Pooling = "max" }));
        Assert.Equal((StatusCode.InvalidArgument, "pooling"), (refusal.StatusCode, refusal.Trailers.GetValue("x-error-param")));
    }

    [Fact]
    public async Task TokenizeAndDetokenize_Text_GoesThereAndBack()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var answer = client.Inference.Tokenize(
            new TokenizeRequest { Prompt = "Hi", AddSpecialTokens = false }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(new TokenizeResponse { Tokens = { 'H', 'i' }, MaxModelLen = 64 }, answer);
        var text = client.Inference.Detokenize(
            new DetokenizeRequest { Tokens = { answer.Tokens } }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("Hi", text.Prompt);
    }

    [Fact]
    public async Task ListModels_TheModel_IsListed()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new RpcClient(gateway);
        var models = client.Inference.ListModels(new ListModelsRequest(), cancellationToken: TestContext.Current.CancellationToken).Models;
        Assert.Equal([new client::Llama.V1.Model { Id = "test-model", Created = 1_700_000_000, MaxModelLen = 64 }], models);
    }
}
