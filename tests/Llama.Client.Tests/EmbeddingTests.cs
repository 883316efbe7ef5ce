using Grpc.Core;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;

namespace Llama.Client.Tests;

/// <summary>Texts as vectors.</summary>
public sealed class EmbeddingTests
{
    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generate_Texts_GivesTheirVectorsInOrderAndTheUsage()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var generator = new LlamaEmbeddingGenerator(TestClient.Options(gateway));

        var embeddings = await generator.GenerateAsync(["Hi", "Hey"], new() { AdditionalProperties = new() { ["pooling"] = "last" } }, TestEnds);

        // Their lengths with begin-of-text, their last letters, and the pooling.
        Assert.Equal([[3, 'i', -1], [4, 'y', -1]], embeddings.Select(embedding => embedding.Vector.ToArray()));
        Assert.All(embeddings, embedding => Assert.Equal("test-model", embedding.ModelId));
        Assert.Equal((7L, 7L), (embeddings.Usage!.InputTokenCount, embeddings.Usage.TotalTokenCount));
        Assert.All(gateway.Grain.Requests, request => Assert.Equal(Pooling.Last, request.Pooling));
        Assert.Empty(await generator.GenerateAsync([], cancellationToken: TestEnds));
    }

    [Fact]
    public async Task Generate_GatewayIsLostInTheMiddle_TheNextOneGivesTheRest()
    {
        await using var first = await TestGateway.StartAsync();
        await using var second = await TestGateway.StartAsync();
        first.Grain.BeforeTokenOf = (request, _, _) => request.PromptTokens.Count < 4
            ? Task.CompletedTask
            : throw new GenerationException(GenerationError.Unavailable, "Lost.");
        using var generator = new LlamaEmbeddingGenerator(TestClient.Options(first, second));

        var embeddings = await generator.GenerateAsync(["Hi", "Hey"], cancellationToken: TestEnds);

        Assert.Equal([[3, 'i', 0.5f], [4, 'y', 0.5f]], embeddings.Select(embedding => embedding.Vector.ToArray()));
        Assert.Equal(7, embeddings.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task Generate_WhatNoGatewayDoes_IsRefused()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var generator = new LlamaEmbeddingGenerator(TestClient.Options(gateway));

        await Assert.ThrowsAsync<NotSupportedException>(() => generator.GenerateAsync(["Hi"], new() { Dimensions = 3 }, TestEnds));
        await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["Hi"], new() { AdditionalProperties = new() { ["poling"] = "last" } }, TestEnds));
        var refused = await Assert.ThrowsAsync<LlamaException>(() => generator.GenerateAsync([""], new() { ModelId = "other" }, TestEnds));

        Assert.Equal((StatusCode.NotFound, "model"), (refused.Status, refused.Param));
    }
}
