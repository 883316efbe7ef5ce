using System.Collections.Concurrent;

namespace Llama.Grains.Tests.Hosting;

/// <summary>A grain that says what happens to it.</summary>
public interface ICounter
{
    Task<int> AddAsync(int number, CancellationToken cancellationToken);

    Task<string> JoinAsync(string first, IReadOnlyList<int> second, CancellationToken cancellationToken);

    Task FailAsync(string message);

    Task ThrowAtOnceAsync(string message);

    Task<string?> NothingAsync();

    /// <summary>Writes its number down and waits until the test lets one call go on.</summary>
    Task WaitAsync(int number, CancellationToken cancellationToken);

    /// <summary>Keeps its thread until the test lets one call go on.</summary>
    Task BlockAsync(CancellationToken cancellationToken);
}

internal sealed class Counter : ICounter, IAsyncDisposable
{
    private int total;
    private int inside;

    /// <summary>Numbers of the calls of <see cref="WaitAsync"/> that have begun, in order.</summary>
    public ConcurrentQueue<int> Begun { get; } = new();

    /// <summary>Lets waiting calls go on.</summary>
    public SemaphoreSlim Gate { get; } = new(0);

    /// <summary>Most calls that were ever inside together.</summary>
    public int MostInside { get; private set; }

    public bool Disposed { get; private set; }

    public bool Cancelled { get; private set; }

    public async Task<int> AddAsync(int number, CancellationToken cancellationToken)
    {
        MostInside = Math.Max(MostInside, Interlocked.Increment(ref inside));
        int before = total;
        await Task.Yield();
        total = before + number;
        Interlocked.Decrement(ref inside);
        return total;
    }

    public Task<string> JoinAsync(string first, IReadOnlyList<int> second, CancellationToken cancellationToken) =>
        Task.FromResult($"{first}:{string.Join(',', second)}:{cancellationToken.CanBeCanceled}");

    public async Task FailAsync(string message)
    {
        await Task.Yield();
        throw new InvalidOperationException(message);
    }

    public Task ThrowAtOnceAsync(string message) => throw new InvalidOperationException(message);

    public Task<string?> NothingAsync() => Task.FromResult<string?>(null);

    public async Task WaitAsync(int number, CancellationToken cancellationToken)
    {
        MostInside = Math.Max(MostInside, Interlocked.Increment(ref inside));
        Begun.Enqueue(number);
        try
        {
            await Gate.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Cancelled = true;
            throw;
        }
        finally
        {
            Interlocked.Decrement(ref inside);
        }
    }

    public Task BlockAsync(CancellationToken cancellationToken)
    {
        Begun.Enqueue(-1);
        Gate.Wait(cancellationToken);
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        Disposed = true;
        return ValueTask.CompletedTask;
    }
}
