using Llama.Grains.Hosting;

namespace Llama.Grains.Tests.Hosting;

public sealed class PlacementTests
{
    [Fact]
    public async Task NamedSilo_GrainIsOnTheSiloOfItsKey()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));

        foreach (OrleansSilo caller in silos)
        {
            foreach (OrleansSilo callee in silos)
            {
                string name = callee.View.Find("a")!.Address.Equals(callee.Incarnation!.Address) ? "a" : "b";
                Assert.Equal(name, (await caller.Grains.GetGrain<INamedGrain>(name).WhereAsync()).Silo);
                Assert.Equal(name, (await caller.Grains.GetGrain<INamedGrain>($"{name}/device/0").WhereAsync()).Silo);
            }
        }
    }

    [Fact]
    public async Task NamedSilo_NoSuchSilo_IsUnavailable()
    {
        await using var cluster = new TestSilos();
        OrleansSilo a = await cluster.StartAsync("a");

        await Assert.ThrowsAsync<SiloUnavailableException>(() => a.Grains.GetGrain<INamedGrain>("nobody/grain").WhereAsync())
            .WaitAsync(TimeSpan.FromSeconds(3), Patience.Token);
    }

    [Fact]
    public async Task Role_GrainIsOnTheOldestSiloOfTheRole()
    {
        await using var cluster = new TestSilos();
        OrleansSilo worker = await cluster.StartAsync("a", "worker");
        await Assert.ThrowsAsync<SiloUnavailableException>(() => worker.Grains.GetGrain<IGatewayPlaced>("nobody").WhereAsync().Soon());

        // A generation is a second; the silo with the later name is the older one.
        await cluster.StartAsync("c", "gateway");
        await Task.Delay(TimeSpan.FromSeconds(1.1), Patience.Token);
        await cluster.StartAsync("b", "gateway");
        await worker.KnowsAsync(3).Soon();
        for (int i = 0; i < 8; i++)
            Assert.Equal("c", (await worker.Grains.GetGrain<IGatewayPlaced>($"key {i}").WhereAsync()).Silo);
    }

    [Fact]
    public async Task LocalDirectory_AnotherSiloDies_ActivationsStay()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"), ("c", "worker"));
        string[] keys = [.. Enumerable.Range(0, 20).SelectMany(i => (string[])[$"a/{i}", $"b/{i}"])];
        Place[] before = await PlacesAsync();

        await silos[0].Membership.TryKill(silos[2].Incarnation!.Address);
        await silos[2].WaitForIncarnationAsync(1, Patience.Token).Soon();
        await silos[0].KnowsAsync(3).Soon();

        Assert.Equal(before, await PlacesAsync());

        Task<Place[]> PlacesAsync() => Task.WhenAll(keys.Select(key => silos[0].Grains.GetGrain<INamedGrain>(key).WhereAsync())).Soon();
    }
}
