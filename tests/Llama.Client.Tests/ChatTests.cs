extern alias client;

using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Model.Grammars;
using Microsoft.Extensions.AI;
using client::Llama.V1;

namespace Llama.Client.Tests;

/// <summary>Conversations: what a request asks of the model, and what comes back.</summary>
public sealed class ChatTests
{
    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GetStreamingResponse_Messages_GivesTextUsageAndTheRawParts()
    {
        await using var gateway = await TestGateway.StartAsync();
        using IChatClient client = TestClient.Of(gateway);

        List<ChatResponseUpdate> updates = await client
            .GetStreamingResponseAsync([new(ChatRole.System, "Be brief."), new(ChatRole.User, "Hi")], new() { Seed = 7 }, TestEnds).ToListAsync(TestEnds);

        Assert.Equal(["H", "e", "l", "l", "o", ".", "", ""], updates.Select(update => update.Text));
        Assert.All(updates, update => Assert.Equal((ChatRole.Assistant, "test-model"), (update.Role, update.ModelId)));
        Assert.Single(updates.Select(update => (update.ResponseId, update.MessageId)).Distinct());
        Assert.Equal(ChatFinishReason.Stop, Assert.Single(updates, update => update.FinishReason is not null).FinishReason);
        Assert.Equal('H', Assert.IsType<GenerateResponse>(updates[0].RawRepresentation).Choice.Tokens[0].Id);
        Assert.Equal("Be brief.\nHi", string.Concat(gateway.Grain.Single.PromptTokens.Skip(1).Select(token => (char)token)));
        ChatResponse whole = updates.ToChatResponse();
        Assert.Equal((13, 7, 20), (whole.Usage!.InputTokenCount, whole.Usage.OutputTokenCount, whole.Usage.TotalTokenCount));
        Assert.Equal(7L, whole.AdditionalProperties?["seed"] ?? whole.Messages[0].AdditionalProperties?["seed"]);
    }

    [Fact]
    public async Task GetResponse_Instructions_AreTheFirstMessage()
    {
        await using var gateway = await TestGateway.StartAsync();
        using IChatClient client = TestClient.Of(gateway);

        ChatResponse answer = await client.GetResponseAsync("Hi", new() { Instructions = "Be brief.", MaxOutputTokens = 3 }, TestEnds);

        Assert.Equal(("Hel", ChatFinishReason.Length, 3L), (answer.Text, answer.FinishReason, answer.Usage!.OutputTokenCount));
        Assert.StartsWith("Be brief.", string.Concat(gateway.Grain.Single.PromptTokens.Skip(1).Select(token => (char)token)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetResponse_EveryOption_IsAskedFor()
    {
        await using var gateway = await TestGateway.StartAsync();
        using IChatClient client = TestClient.Of(gateway);

        await client.GetResponseAsync(
            "Hi",
            new()
            {
                ModelId = "test-model",
                Temperature = 0.5f,
                TopP = 0.25f,
                TopK = 9,
                Seed = 11,
                FrequencyPenalty = 0.125f,
                PresencePenalty = -0.5f,
                StopSequences = ["no"],
                MaxOutputTokens = 5,
                AdditionalProperties = new()
                {
                    ["min_p"] = 0.125,
                    ["logit_bias"] = new Dictionary<string, double> { ["72"] = 2 },
                    ["stop_token_ids"] = (int[])[90],
                    ["session_id"] = "me",
                    ["priority"] = 3,
                    ["timeout"] = 9.5,
                },
            },
            TestEnds);

        var asked = gateway.Grain.Single;
        Assert.Equal((0.5f, 0.25f, 9, 0.125f), (asked.Sampling.Temperature, asked.Sampling.TopP, asked.Sampling.TopK, asked.Sampling.MinP));
        Assert.Equal((11ul, (int?)5, "me", TimeSpan.FromSeconds(9.5)), (asked.Seed, asked.MaxTokens, asked.Session, asked.Timeout));
        Assert.Equal((0.125f, -0.5f), (asked.Rules!.FrequencyPenalty, asked.Rules.PresencePenalty));
        Assert.Equal([90], asked.StopTokens);
        Assert.Equal(-3, asked.Priority);
    }

    [Fact]
    public async Task GetResponse_MisspelledProperty_IsNamed()
    {
        await using var gateway = await TestGateway.StartAsync();
        using IChatClient client = TestClient.Of(gateway);

        var refused = await Assert.ThrowsAsync<ArgumentException>(
            () => client.GetResponseAsync("Hi", new() { AdditionalProperties = new() { ["min_pee"] = 1 } }, TestEnds));

        Assert.Contains("min_pee", refused.Message, StringComparison.Ordinal);
        Assert.Empty(gateway.Grain.Requests);
    }

    [Fact]
    public async Task GetResponse_WhatNoGatewayDoes_IsRefused()
    {
        await using var gateway = await TestGateway.StartAsync();
        using IChatClient client = TestClient.Of(gateway);
        ChatOptions[] options =
        [
            new() { ConversationId = "1" },
            new() { Reasoning = new() { Effort = ReasoningEffort.High } },
        ];
        foreach (ChatOptions option in options) await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("Hi", option, TestEnds));
        var image = new ChatMessage(ChatRole.User, [new DataContent("data:image/png;base64,AA==")]);
        var refused = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync(image, cancellationToken: TestEnds));
        Assert.Equal("DataContent in a message of the role user is not supported; expected text.", refused.Message);
        Assert.Empty(gateway.Grain.Requests);
    }

    [Fact]
    public async Task GetResponse_JsonSchema_IsTheGrammarWithItsPropertiesInOrder()
    {
        await using var gateway = await TestGateway.StartAsync();
        using IChatClient client = TestClient.Of(gateway);

        await client.GetResponseAsync("Hi", new() { ResponseFormat = ChatResponseFormat.ForJsonSchema<Place>(), Temperature = 0 }, TestEnds);
        await client.GetResponseAsync("Hi", new() { ResponseFormat = ChatResponseFormat.Json }, TestEnds);

        var (schema, any) = (gateway.Grain.Requests.First().Grammar!, gateway.Grain.Requests.Last().Grammar!);
        Assert.Equal((GrammarKind.JsonSchema, GrammarKind.JsonObject), (schema.Kind, any.Kind));
        Assert.Equal(["zip", "city"], JsonElement.Parse(schema.Text).GetProperty("properties").EnumerateObject().Select(member => member.Name));
    }

    [Fact]
    public async Task GetResponse_ModelThatReasons_TellsItApart()
    {
        await using var gateway = await TestGateway.StartAsync(
            new TestTokenizer(), jinja: "{{ messages[0].content }}<think>\n{% if false %}</think>{% endif %}");
        using IChatClient client = TestClient.Of(gateway);

        ChatResponse answer = await client.GetResponseAsync("Hi", cancellationToken: TestEnds);

        Assert.Equal("Hello.", Assert.IsType<TextReasoningContent>(Assert.Single(answer.Messages[0].Contents)).Text);
    }

    private sealed record Place(int Zip, string City);
}
