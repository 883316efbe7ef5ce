using System.Diagnostics;
using Llama.Grains.Hosting;

namespace Llama.Grains.Tests.Hosting;

public sealed class OrleansClientTests
{
    [Fact]
    public async Task Start_NoSiloIsThere_ReturnsAtOnceAndConnectsWhenOneIs()
    {
        await using var cluster = new TestSilos();
        long start = Stopwatch.GetTimestamp();
        OrleansClient client = await cluster.ConnectAsync();
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(1));
        Assert.Throws<SiloUnavailableException>(() => client.Grains);

        await cluster.StartAsync("a");

        IGrainFactory grains = await client.WaitForConnectionAsync(Patience.Token).WaitAsync(TimeSpan.FromSeconds(10), Patience.Token);
        Assert.Equal("a", (await grains.GetGrain<INamedGrain>("a/grain").WhereAsync()).Silo);
    }

    [Fact]
    public async Task AllSilosAreReplaced_CallsSucceedAgain()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] first = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        OrleansClient client = await cluster.ConnectAsync();
        await client.WaitForConnectionAsync(Patience.Token).Soon();
        Place before = await client.Grains.GetGrain<INamedGrain>("a/grain").WhereAsync();

        await Task.WhenAll(first.Select(silo => silo.StopAsync(Patience.Token))).Soon();
        await Assert.ThrowsAnyAsync<Exception>(() => client.Grains.GetGrain<INamedGrain>("a/grain").WhereAsync()).Soon();
        await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        long start = Stopwatch.GetTimestamp();
        Place after = await TestSilosExtensions.InsistAsync(() => client.Grains.GetGrain<INamedGrain>("a/grain").WhereAsync()).Soon();

        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.Equal("a", after.Silo);
        Assert.True(after.Generation > before.Generation);
    }

    [Fact]
    public async Task Connect_OtherKey_IsRefusedAndTheSiloGoesOn()
    {
        await using var cluster = new TestSilos();
        OrleansSilo silo = await cluster.StartAsync("a");
        cluster.SharedKey = "another key of the cluster"u8.ToArray();
        OrleansClient stranger = await cluster.ConnectAsync();
        cluster.SharedKey = TestSilos.Key;
        OrleansClient member = await cluster.ConnectAsync();

        await member.WaitForConnectionAsync(Patience.Token).Soon();
        await Task.Delay(TimeSpan.FromSeconds(1), Patience.Token);

        Assert.Throws<SiloUnavailableException>(() => stranger.Grains);
        Assert.Equal("a", (await member.Grains.GetGrain<INamedGrain>("a/grain").WhereAsync()).Silo);
        Assert.Equal(1, silo.Incarnation!.Number);
    }
}
