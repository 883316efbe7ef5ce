using System.Diagnostics;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Grains.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Gateway;

/// <summary>
/// Thousands of requests that come, go away and lose their pipelines at random moments: each gets what it would get alone.
/// </summary>
public sealed class EngineRandomTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task GenerateAsync_ClientsAndPipelinesThatComeAndGo_EveryClientGetsExactlyItsTokens(int seed)
    {
        var random = new Random(seed);
        await using var engine =
            new Engine(ToyModel.Config, new SchedulerLimits { MaxWaiting = 1000 }, TimeProvider.System, NullLogger.Instance);
        var clients = new List<Task>();
        int stages = 1 + (seed % 4);
        ulong epoch = 1;
        var pipeline = new ToyPipeline(stages, 60, epoch);
        engine.Attach(pipeline);
        int completed = 0;
        int losses = 0;
        long start = Stopwatch.GetTimestamp();
        for (int operation = 0; operation < 4000 || (losses == 0 && Stopwatch.GetElapsedTime(start) < Patience.Limit); operation++)
        {
            // On a machine that is busy otherwise the scheduler may lag behind: it is waited for, and no further requests come.
            if (operation >= 4000) await Task.Delay(1, Patience.Token);
            switch (operation < 4000 ? random.Next(20) : random.Next(3, 20))
            {
                case 0 or 1:
                    clients.Add(ClientAsync(engine, random.Next(), null));
                    break;
                case 2:
                    clients.Add(ClientAsync(engine, random.Next(), random.Next(1, 30)));
                    break;
                case 3 when completed > 150:
                    // The next pipeline has other stages, and fewer or more blocks; the longest request fits into the fewest.
                    pipeline.Fail("A silo has died.");
                    pipeline = new ToyPipeline(random.Next(1, 5), random.Next(40, 100), ++epoch);
                    engine.Attach(pipeline);
                    completed = 0;
                    losses++;
                    break;
                default:
                    for (int i = random.Next(4); i > 0; i--)
                    {
                        if (pipeline.Complete()) completed++;
                    }

                    if (random.Next(4) == 0) await Task.Yield();
                    break;
            }
        }

        pipeline.CompleteFromNowOn();
        await Task.WhenAll(clients).Soon();
        Assert.InRange(clients.Count, 300, 1000);
        Assert.InRange(losses, 1, 1000);
        await Patience.UntilAsync(
            () => engine.Counts.FreeBlocks == pipeline.KvBlocks, () => $"{engine.Counts.FreeBlocks} of {pipeline.KvBlocks} blocks are free");
        Assert.Equal((0, 0), (engine.Counts.Running, engine.Counts.Waiting));
    }

    private static async Task ClientAsync(Engine engine, int seed, int? leaveAfter)
    {
        var random = new Random(seed);
        int prompt = random.Next(10) == 0 ? random.Next(1, 600) : random.Next(1, 40);
        GenerationRequest request =
            ToyModel.Request(seed & 0xFFFF, prompt, random.Next(1, 40)) with { IgnoreEndTokens = random.Next(2) == 0 };
        List<int> expected = ToyModel.Alone(request);
        var got = new List<int>();
        using var leaving = new CancellationTokenSource();
        try
        {
            await foreach (GeneratedToken token in engine.GenerateAsync(request, prompt + request.MaxTokens!.Value, null, leaving.Token))
            {
                got.Add(token.Sampled.Token);
                if (got.Count == leaveAfter) await leaving.CancelAsync();
                bool last = got.Count == expected.Count;
                Assert.Equal(last, token.Finish is not null);
            }
        }
        catch (OperationCanceledException) when (leaving.IsCancellationRequested)
        {
            Assert.Equal(expected.Take(got.Count), got);
            return;
        }

        Assert.Equal(expected, got);
    }
}
