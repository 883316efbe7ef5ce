using System.Diagnostics;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Clocks that jump and disks that vanish in the middle of streams.</summary>
[Collection(TimedTests.Name)]
public sealed class MachineFaultTests
{
    private const string Weights = "consolidated.00.pth";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public MachineFaultTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    [Fact]
    public async Task Jump_ClocksInTheMiddleOfStreams_NobodyNotices()
    {
        Assert.SkipUnless(FakeClock.IsThere, "needs Debian's package libfaketime");
        using var clock = new FakeClock();

        // The first silo's clock stays right.
        using var cluster = new TestCluster(TestPaths.TinyStories, 2) { Around = command => command.Name == "silo-1" ? command : clock.Of(command) };
        cluster.StartGateway();
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        // There are streams until each process has long seen its clock jump.
        await StreamAsync(FakeClock.Latency, () =>
        {
            clock.Jump("gateway", TimeSpan.FromDays(1));
            clock.Jump("silo-2", TimeSpan.FromDays(300));
        });
        Assert.InRange(await AheadAsync(), TimeSpan.FromHours(23), TimeSpan.FromHours(25));

        // Longer than a lease, so that one that counted by these clocks would have ended.
        await StreamAsync(FakeClock.Latency + TimeSpan.FromSeconds(4), () =>
        {
            clock.Jump("gateway", TimeSpan.FromDays(-2));
            clock.Jump("silo-2", TimeSpan.FromHours(-1));
        });
        Assert.DoesNotContain("lost:", cluster.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("left", cluster.Output, StringComparison.Ordinal);
        Assert.Equal(1ul, (await cluster.Client.StatusAsync()).Epoch);

        // The gateway says in each answer what time it is.
        async Task<TimeSpan> AheadAsync()
        {
            using HttpResponseMessage response = await cluster.Client.Http.GetAsync("/health", TestContext.Current.CancellationToken);
            return response.Headers.Date!.Value - DateTimeOffset.UtcNow;
        }

        async Task StreamAsync(TimeSpan time, Action jump)
        {
            Streams streams = await Streams.BegunAsync(cluster, requests);
            jump();
            var watch = Stopwatch.StartNew();
            while (watch.Elapsed < time)
            {
                await streams.EndedAsync();
                Assert.Equal(undisturbed.Tokens, streams.Tokens);
                streams = new Streams(cluster.Client, requests);
            }

            await streams.EndedAsync();
            Assert.Equal(undisturbed.Tokens, streams.Tokens);
        }
    }

    [Fact]
    public async Task Truncate_WeightsOfASiloInTheMiddleOfStreams_TheyEndAsUndisturbedAndTheSiloThenSaysWhatItMisses()
    {
        using TemporaryFolder disk = TemporaryFolder.CopyOf(TestPaths.TinyStories);
        using var cluster = new TestCluster(TestPaths.TinyStories, 3);
        cluster.StartGateway();
        cluster.StartSilo(1);
        RunningProgram victim = cluster.StartStrangerSilo(2, disk.Path);
        cluster.StartSilo(3);
        await cluster.ReadyAsync();
        cluster.StartSilo(4);
        await Wait.UntilAsync(
            "a silo stands by", Deadline, async () => (await cluster.Client.StatusAsync()).Standby.Contains("silo-4"), () => cluster.Output);
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        Streams streams = await Streams.BegunAsync(cluster, requests);
        await File.WriteAllBytesAsync(disk[Weights], [], TestContext.Current.CancellationToken);
        ProcessTable.Signal(victim.Id, "KILL");
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.Equal(["silo-1", "silo-4", "silo-3"], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));

        RunningProgram again = cluster.StartStrangerSilo(2, disk.Path);
        Assert.NotEqual(0, await again.ExitsAsync(Deadline));
        Assert.Contains($"{Weights}: the file is empty", again.Output, StringComparison.Ordinal);
        var after = new Streams(cluster.Client, requests);
        await after.EndedAsync();
        Assert.Equal(undisturbed.Tokens, after.Tokens);
    }
}
