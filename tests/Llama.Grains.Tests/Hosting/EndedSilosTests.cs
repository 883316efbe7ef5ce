using Llama.Grains.Hosting;

namespace Llama.Grains.Tests.Hosting;

/// <summary>
/// Loops of Orleans that go on without their silo never wait for anything again: each takes a core. So what the process allocates
/// afterwards is measured, and no other test may run meanwhile.
/// </summary>
[CollectionDefinition(nameof(EndedSilosTests), DisableParallelization = true)]
[Collection(nameof(EndedSilosTests))]
public sealed class EndedSilosTests
{
    private const int Rounds = 12;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Stop_InTheMidstOfAStart_LeavesNothingRunning()
    {
        for (int round = 0; round < Rounds; round++)
        {
            await using var cluster = new TestSilos();
            OrleansSilo silo = cluster.Create("a");
            await silo.StartAsync(Patience.Token);
            await Task.Delay(round * Step, Patience.Token);
            await silo.StopAsync(Patience.Token);
        }

        await AssertIdleAsync();
    }

    [Fact]
    public async Task Start_Fails_LeavesNothingRunning()
    {
        await using (var cluster = new TestSilos())
        {
            cluster.Table.FailingStarts = 3;
            await cluster.StartAsync("a");
        }

        await AssertIdleAsync();
    }

    private static async Task AssertIdleAsync()
    {
        long before = GC.GetTotalAllocatedBytes(precise: true);
        await Task.Delay(Idle, Patience.Token);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 4 << 20);
    }
}
