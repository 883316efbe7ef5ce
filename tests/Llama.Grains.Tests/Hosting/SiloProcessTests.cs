using System.Net;
using Llama.Grains.Hosting;

namespace Llama.Grains.Tests.Hosting;

public sealed class SiloProcessTests
{
    private const int Evictions = 20;

    [Fact]
    public async Task EvictedTwentyTimes_ProcessGoesOnHoldsNoMoreThanBeforeAndEndsWhenAsked()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "counts what /proc shows");
        await using var cluster = new TestSilos();
        var primary = new IPEndPoint(IPAddress.Loopback, FreePort.Choose());
        OrleansSilo here = await cluster.StartAsync(
            "here", change: settings => settings with
            {
                SiloPort = primary.Port,
                Configure = silo => silo.UseDevelopmentClustering(primary),
            });
        using SiloProcess process = SiloProcess.Start("there", primary);
        List<(int Incarnation, int Threads, int Sockets)> reports = [];

        for (int i = 0; i < Evictions; i++)
        {
            Place place = await AskAsync();
            Assert.Equal(("there", process.Id), (place.Silo, place.Process));
            reports.Add(await process.ReportAsync());
            Assert.Equal(i + 1, reports[^1].Incarnation);
            SiloAddress address = here.View.Find("there")!.Address;
            Assert.True(await here.Membership.TryKill(address));
            await Patience.UntilAsync(() => here.View.Find("there") is { } now && !now.Address.Equals(address), () => $"{here.View}");
        }

        await AskAsync();
        (int _, int threads, int sockets) = await process.ReportAsync();
        Assert.InRange(threads, 1, reports[Evictions / 4].Threads + 8);
        Assert.InRange(sockets, 1, reports[Evictions / 4].Sockets + 2);
        (int exitCode, TimeSpan time) = await process.TerminateAsync();
        Assert.Equal(0, exitCode);
        Assert.InRange(time, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await Patience.UntilAsync(() => here.View.Find("there") is null, () => $"{here.View}");

        Task<Place> AskAsync() =>
            TestSilosExtensions.InsistAsync(() => here.Grains.GetGrain<INamedGrain>("there/grain").WhereAsync()).Soon();
    }
}
