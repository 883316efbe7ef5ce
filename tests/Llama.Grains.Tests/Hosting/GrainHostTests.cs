using System.Collections.Concurrent;
using System.Text.Json;
using Llama.Grains.Hosting;

namespace Llama.Grains.Tests.Hosting;

public sealed class GrainHostTests : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Counter> counters = new();
    private readonly GrainHost host = new();

    public GrainHostTests() => host.Register<ICounter>(key =>
        key == "broken" ? throw new InvalidOperationException("no such device") : counters.GetOrAdd(key, _ => new Counter()));

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task CallAsync_FirstAndLaterCalls_ReachOneGrainPerKey()
    {
        Assert.Null(host.Find<ICounter>("a"));
        Assert.Equal(2, await AddAsync("a", 2));
        Assert.Equal(5, await AddAsync("a", 3));
        Assert.Equal(1, await AddAsync("b", 1));
        Assert.Equal(["a", "b"], counters.Keys.Order());
        Assert.Same(counters["a"], host.Find<ICounter>("a"));
    }

    [Fact]
    public async Task CallAsync_ManyAtOnce_RunOneAtATimeAndActivateOnce()
    {
        int activations = 0;
        await using var own = new GrainHost();
        var counter = new Counter();
        own.Register<ICounter>(_ =>
        {
            Interlocked.Increment(ref activations);
            return counter;
        });
        await Task.WhenAll(
            Enumerable.Range(0, 200).Select(_ => Task.Run(() => own.CallAsync(Call("a", "AddAsync", 1), Patience.Token)))).Soon();
        Assert.Equal(201, (await own.CallAsync(Call("a", "AddAsync", 1), Patience.Token))!.Value.GetInt32());
        Assert.Equal(1, counter.MostInside);
        Assert.Equal(1, activations);
    }

    [Fact]
    public async Task CallAsync_SameKey_RunInOrderOfArrival()
    {
        List<Task> calls = [.. Enumerable.Range(0, 50).Select(i => host.CallAsync(Call("a", "WaitAsync", i), Patience.Token))];
        counters["a"].Gate.Release(50);
        await Task.WhenAll(calls).Soon();
        Assert.Equal(Enumerable.Range(0, 50), counters["a"].Begun);
        Assert.Equal(1, counters["a"].MostInside);
    }

    [Fact]
    public async Task CallAsync_OtherKey_DoesNotWait()
    {
        Task waiting = host.CallAsync(Call("a", "WaitAsync", 1), Patience.Token);
        Assert.Equal(1, await AddAsync("b", 1));
        Assert.False(waiting.IsCompleted);
        counters["a"].Gate.Release();
        await waiting.Soon();
    }

    [Fact]
    public async Task CallAsync_GrainThatKeepsItsThread_DoesNotKeepTheCallers()
    {
        Task blocked = host.CallAsync(Call("a", "BlockAsync"), Patience.Token);
        Assert.Equal(1, await AddAsync("b", 1));
        counters["a"].Gate.Release();
        await blocked.Soon();
    }

    [Theory]
    [InlineData("INothing", "a", "AddAsync", "hosts no grains of type 'INothing'")]
    [InlineData("ICounter", "a", "Explode", "no method 'Explode'")]
    [InlineData("ICounter", "a", "GetType", "no method 'GetType'")]
    [InlineData("ICounter", "a", "DisposeAsync", "no method 'DisposeAsync'")]
    public async Task CallAsync_NoSuchGrainOrMethod_NamesIt(string grain, string key, string method, string expected)
    {
        GrainCallException fault = await Assert.ThrowsAsync<GrainCallException>(
            () => host.CallAsync(Call(key, method, 1) with { Grain = grain }, Patience.Token));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.Equal(1, await AddAsync("a", 1));
    }

    [Fact]
    public async Task CallAsync_ArgumentsThatDoNotFit_NamesThem()
    {
        GrainCallException missing =
            await Assert.ThrowsAsync<GrainCallException>(() => host.CallAsync(Call("a", "AddAsync"), Patience.Token));
        Assert.Contains("ICounter.AddAsync was called with 0 arguments", missing.Message, StringComparison.Ordinal);
        GrainCallException wrong =
            await Assert.ThrowsAsync<GrainCallException>(() => host.CallAsync(Call("a", "AddAsync", "x"), Patience.Token));
        Assert.Contains("argument 'number'", wrong.Message, StringComparison.Ordinal);
        Assert.Equal(1, await AddAsync("a", 1));
    }

    [Theory]
    [InlineData("FailAsync")]
    [InlineData("ThrowAtOnceAsync")]
    public async Task CallAsync_GrainThrows_ThrowsThatAndTheNextCallRuns(string method)
    {
        InvalidOperationException fault = await Assert.ThrowsAsync<InvalidOperationException>(
            () => host.CallAsync(Call("a", method, "out of paper"), Patience.Token));
        Assert.Equal("out of paper", fault.Message);
        Assert.Equal(1, await AddAsync("a", 1));
    }

    [Fact]
    public async Task CallAsync_GrainThatCannotBeMade_ThrowsAndIsTriedAgain()
    {
        for (int i = 0; i < 2; i++)
        {
            InvalidOperationException fault = await Assert.ThrowsAsync<InvalidOperationException>(() => AddAsync("broken", 1));
            Assert.Equal("no such device", fault.Message);
        }
    }

    [Fact]
    public async Task CallAsync_CancelledInTheMailbox_LeavesTheOthersTheirPlaces()
    {
        Task first = host.CallAsync(Call("a", "WaitAsync", 1), Patience.Token);
        using var cancelling = new CancellationTokenSource();
        Task second = host.CallAsync(Call("a", "WaitAsync", 2), cancelling.Token);
        Task third = host.CallAsync(Call("a", "WaitAsync", 3), Patience.Token);
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second.Soon());
        counters["a"].Gate.Release(2);
        await first.Soon();
        await third.Soon();
        Assert.Equal([1, 3], counters["a"].Begun);
    }

    [Fact]
    public async Task DisposeAsync_CallsRunningAndWaiting_LetsTheFirstEndAndFailsTheOthers()
    {
        Task running = host.CallAsync(Call("a", "WaitAsync", 1), Patience.Token);
        Task disposing = host.DisposeAsync().AsTask();
        Task late = host.CallAsync(Call("b", "AddAsync", 1), Patience.Token);
        await Assert.ThrowsAsync<GrainCallException>(() => late.Soon());
        Assert.False(disposing.IsCompleted);
        Assert.False(counters["a"].Disposed);
        counters["a"].Gate.Release();
        await running.Soon();
        await disposing.Soon();
        Assert.True(counters["a"].Disposed);
        Assert.Null(host.Find<ICounter>("a"));
    }

    [Fact]
    public async Task DisposeAsync_CallInTheMailboxBehindIt_FailsInsteadOfWaitingForEver()
    {
        Task running = host.CallAsync(Call("a", "WaitAsync", 1), Patience.Token);
        Task waiting = host.CallAsync(Call("a", "AddAsync", 1), Patience.Token);
        Task disposing = host.DisposeAsync().AsTask();
        counters["a"].Gate.Release();
        await running.Soon();
        await disposing.Soon();

        // It came before the end, so it may still have run.
        await waiting.Soon();
    }

    internal static GrainCall Call(string key, string method, params object[] arguments) =>
        new(0, nameof(ICounter), key, method, [.. arguments.Select(argument => JsonSerializer.SerializeToElement(argument))]);

    private async Task<int> AddAsync(string key, int number) =>
        (await host.CallAsync(Call(key, "AddAsync", number), Patience.Token).Soon())!.Value.GetInt32();
}
