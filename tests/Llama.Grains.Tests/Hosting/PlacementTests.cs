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
    public async Task Role_GrainIsOnASiloOfTheRoleOrOnAny()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] workers = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        string[] keys = [.. Enumerable.Range(0, 16).Select(i => $"key {i}")];

        foreach (string key in keys[..8])
        {
            Place[] places = await Task.WhenAll(workers.Select(silo => silo.Grains.GetGrain<IGatewayPlaced>(key).WhereAsync()));
            Assert.Equal(places[0], places[1]);
        }

        await cluster.StartAsync("c", "gateway");
        foreach (OrleansSilo silo in workers) await silo.KnowsAsync(3).Soon();
        foreach (string key in keys[8..])
            Assert.Equal("c", (await workers[0].Grains.GetGrain<IGatewayPlaced>(key).WhereAsync()).Silo);
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
