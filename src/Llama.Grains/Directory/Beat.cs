using Llama.Model.Machine;

namespace Llama.Grains.Directory;

/// <summary>
/// Does something again and again on a thread of its own. Leases are kept alive so: whatever else the process computes, and however long
/// its other work waits for a thread, a heartbeat does not wait behind it.
/// </summary>
internal sealed class Beat : IDisposable
{
    private readonly ManualResetEventSlim stopping = new();

    /// <summary>Starts at once.</summary>
    /// <param name="name">The thread's name.</param>
    /// <param name="interval">Time between the end of one and the start of the next.</param>
    /// <param name="act">Done each time, until it returns false or throws.</param>
    /// <exception cref="IOException">The system gives the process no further thread.</exception>
    public Beat(string name, TimeSpan interval, Func<bool> act) => Ended = OwnThread.Start(name, () =>
    {
        while (!stopping.IsSet && act()) stopping.Wait(interval);
    });

    /// <summary>Completes when the thread has ended; fails with what it threw.</summary>
    public Task Ended { get; }

    /// <summary>Asks the thread to end; one that blocks ends later.</summary>
    public void Dispose() => stopping.Set();
}
