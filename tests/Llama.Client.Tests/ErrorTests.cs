using System.Diagnostics;
using Grpc.Core;
using Llama.Gateway.Tests.Api.Keys;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Microsoft.Extensions.AI;

namespace Llama.Client.Tests;

/// <summary>What becomes of requests that are refused, cancelled or late.</summary>
public sealed class ErrorTests
{
    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GetResponse_BadField_ThrowsWithTheServersMessageAndItsName()
    {
        await using var gateway = await TestGateway.StartAsync();
        using IChatClient client = TestClient.Of(gateway);

        var refused = await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", new() { Temperature = 3 }, TestEnds));

        Assert.Equal((StatusCode.InvalidArgument, "temperature", null), (refused.Status, refused.Param, refused.RetryAfter));
        Assert.Equal("temperature must be a number from 0 to 2; found the number 3.", refused.Message);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("wrong")]
    [InlineData("right")]
    public async Task GetResponse_GatewayWithKeys_AnswersTheGoodOne(string? key)
    {
        using var file = new KeyFile();
        await using TestGateway gateway = await file.StartAsync(shows: false);
        LlamaClientOptions options = TestClient.Options(gateway);
        options.ApiKey = key == "right" ? file.Key : key;
        using var client = new LlamaChatClient(options);

        if (key == "right")
        {
            Assert.Equal("Hello.", (await client.GetResponseAsync("Hi", cancellationToken: TestEnds)).Text);
            return;
        }

        var refused = await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", cancellationToken: TestEnds));
        Assert.Equal((StatusCode.Unauthenticated, "invalid_api_key"), (refused.Status, refused.Code));
    }

    [Fact]
    public async Task GetResponse_TooManyRequests_AreAskedAgainWhenTheServerSays()
    {
        await using var gateway = await TestGateway.StartAsync();
        int asked = 0;
        gateway.Grain.BeforeToken = (_, _) => ++asked > 1
            ? Task.CompletedTask
            : throw new GenerationException(GenerationError.Overloaded, "Too many.", TimeSpan.FromSeconds(0.3));
        using IChatClient client = TestClient.Of(gateway);
        var since = Stopwatch.StartNew();

        Assert.Equal("Hello.", (await client.GetResponseAsync("Hi", cancellationToken: TestEnds)).Text);

        Assert.True(since.Elapsed >= TimeSpan.FromSeconds(0.3), $"{since.Elapsed}");
    }

    [Fact]
    public async Task GetResponse_TooManyRequestsAndNoRecovery_ThrowsWithTheTime()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (_, _) => throw new GenerationException(GenerationError.Overloaded, "Too many.", TimeSpan.FromSeconds(2));
        LlamaClientOptions options = TestClient.Options(gateway);
        options.RecoveryTimeout = TimeSpan.Zero;
        using var client = new LlamaChatClient(options);

        var refused = await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", cancellationToken: TestEnds));

        Assert.Equal(
            (StatusCode.ResourceExhausted, "Too many.", TimeSpan.FromSeconds(2), "rate_limit_exceeded"),
            (refused.Status, refused.Message, refused.RetryAfter!.Value, refused.Code));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task GetStreamingResponse_CancelledOrLeft_EndsTheGeneration(bool cancels)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, ending) => position == 0 ? Task.CompletedTask : Task.Delay(TimeSpan.FromSeconds(20), ending);
        using IChatClient client = TestClient.Of(gateway);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestEnds);

        try
        {
            await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Hi", cancellationToken: stop.Token))
            {
                Assert.Equal("H", update.Text);
                if (!cancels) break;
                await stop.CancelAsync();
            }

            Assert.False(cancels);
        }
        catch (OperationCanceledException exception) when (cancels)
        {
            Assert.Equal(stop.Token, exception.CancellationToken);
        }

        await gateway.Grain.WaitForEndAsync();
        Assert.Equal(1, gateway.Grain.Cancelled);
    }

    [Fact]
    public async Task GetResponse_TimeIsOver_ThrowsAndEndsTheGeneration()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (_, ending) => Task.Delay(TimeSpan.FromSeconds(20), ending);
        LlamaClientOptions options = TestClient.Options(gateway);
        options.Timeout = TimeSpan.FromSeconds(0.3);
        using var client = new LlamaChatClient(options);

        var late = await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", cancellationToken: TestEnds));

        Assert.Equal((StatusCode.DeadlineExceeded, "The answer was not complete within the 00:00:00.3000000 of Timeout."), (late.Status, late.Message));
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal(1, gateway.Grain.Cancelled);
    }
}
