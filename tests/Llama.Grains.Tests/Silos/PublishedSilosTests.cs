using Llama.Grains.Silos;

namespace Llama.Grains.Tests.Silos;

public sealed class PublishedSilosTests
{
    private readonly PublishedSilos silos = new();

    [Fact]
    public void Publish_SilosAndFaults_AreOrderedByName()
    {
        Assert.Equal((0L, 0), (silos.Now.Version, silos.Now.Members.Count));
        silos.Publish([Members.Make("silo-10"), Members.Make("silo-2")], ["b", "a"]);
        Assert.Equal(1, silos.Now.Version);
        Assert.Equal(["silo-2", "silo-10"], silos.Now.Members.Select(member => member.Name));
        Assert.Equal(["a", "b"], silos.Now.Faults);
    }

    [Fact]
    public void Publish_NothingNew_IsTheSameView()
    {
        silos.Publish([], []);
        Assert.Equal(1, silos.Now.Version);
        silos.Publish([Members.Make("silo-1")], ["a"]);
        SilosView view = silos.Now;
        silos.Publish([Members.Make("silo-1")], ["a"]);
        Assert.Same(view, silos.Now);
        silos.Publish([Members.Make("silo-1") with { LastEpoch = 1 }], ["a"]);
        Assert.Equal(3, silos.Now.Version);
        silos.Publish([Members.Make("silo-1") with { LastEpoch = 1 }], []);
        Assert.Equal(4, silos.Now.Version);
    }

    [Fact]
    public async Task WaitForChangeAsync_NewerView_ComesAtOnceOrWhenItIsThere()
    {
        Task<SilosView>[] waiting = [.. Enumerable.Range(0, 3).Select(_ => silos.WaitForChangeAsync(0, Patience.Token))];
        Assert.All(waiting, wait => Assert.False(wait.IsCompleted));
        silos.Publish([Members.Make("silo-1")], []);
        Assert.All(await Task.WhenAll(waiting).Soon(), view => Assert.Equal(1, view.Version));
        Assert.Equal(1, (await silos.WaitForChangeAsync(0, Patience.Token).Soon()).Version);
        using var leaving = new CancellationTokenSource();
        Task<SilosView> next = silos.WaitForChangeAsync(1, leaving.Token);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next.Soon());
    }
}
