using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Machine;

namespace Llama.Model.Kernels;

/// <summary>
/// The threads of one layer range. <see cref="Run"/> executes a body once on each of them, the caller being the first, and returns when
/// all are done. Idle workers spin for a bounded time, because regions follow each other within microseconds, and then park.
/// </summary>
internal sealed class WorkerPool : IDisposable
{
    /// <summary>
    /// How often a waiting thread looks before it gives way, some ten microseconds: where there are fewer processors than threads that want
    /// one, the part that all wait for may need this one.
    /// </summary>
    private const int LooksBeforeYielding = 512;

    private static readonly TimeSpan SpinsBeforeParking = TimeSpan.FromMilliseconds(0.6);

    private readonly Task[] threads;
    private readonly SemaphoreSlim[] wake;
    private readonly int[] parked;
    private Exception? failure;
    private bool stopping;
    private Signals signals;

    /// <summary>Starts the threads.</summary>
    /// <param name="threadCount">Threads, the caller of <see cref="Run"/> included; at least 1.</param>
    /// <param name="name">Names the threads in a debugger.</param>
    /// <exception cref="IOException">The system gives the process no further thread.</exception>
    public WorkerPool(int threadCount, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1);
        ThreadCount = threadCount;
        threads = new Task[threadCount - 1];
        wake = [.. threads.Select(_ => new SemaphoreSlim(0))];
        parked = new int[threads.Length];
        Array.Fill(threads, Task.CompletedTask);
        try
        {
            for (int i = 0; i < threads.Length; i++)
            {
                int worker = i;
                threads[i] = OwnThread.Start($"{name} {i + 1}", () => Work(worker));
            }
        }
        catch
        {
            // Nobody else could end those that have started.
            Dispose();
            throw;
        }
    }

    /// <summary>Threads that a region runs on.</summary>
    public int ThreadCount { get; }

    /// <summary>The part of <paramref name="count"/> items that belongs to one of several threads, whole multiples of a grain.</summary>
    public static (int First, int End) Share(int count, int part, int parts, int grain = 1)
    {
        int grains = (count + grain - 1) / grain;
        int first = (int)((long)grains * part / parts) * grain;
        int end = (int)((long)grains * (part + 1) / parts) * grain;
        return (Math.Min(first, count), Math.Min(end, count));
    }

    /// <summary>
    /// Calls <c>region(part, parts)</c> for every part at once. An exception of any part is thrown here. One caller at a time.
    /// </summary>
    public void Run(Action<int, int> region)
    {
        if (threads.Length == 0)
        {
            region(0, 1);
            return;
        }

        signals.Region = region;

        // Not written without need: workers read what lies beside it.
        if (failure is not null) failure = null;
        Volatile.Write(ref signals.Running, threads.Length);
        Interlocked.Increment(ref signals.Generation);
        for (int i = 0; i < threads.Length; i++)
        {
            if (Interlocked.Exchange(ref parked[i], 0) == 1) wake[i].Release();
        }

        Execute(0);
        for (int looks = 1; Volatile.Read(ref signals.Running) > 0; looks++) Rest(looks);
        if (failure is not null) throw new InvalidOperationException("A compute thread failed: " + failure.Message, failure);
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        if (stopping) return;
        Volatile.Write(ref stopping, true);
        Interlocked.Increment(ref signals.Generation);
        for (int i = 0; i < threads.Length; i++)
        {
            wake[i].Release();
            threads[i].Wait();
            wake[i].Dispose();
        }
    }

    /// <summary>
    /// Rests between two looks, as briefly as the processor can: what is waited for comes within a microsecond or two most of the time.
    /// </summary>
    /// <param name="looks">How often the thread has looked.</param>
    private static void Rest(int looks)
    {
        if (looks % LooksBeforeYielding == 0) Thread.Yield();
        else if (X86Base.IsSupported) X86Base.Pause();
        else Thread.SpinWait(1);
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (true)
        {
            WaitForWork(worker, seen);
            if (Volatile.Read(ref stopping)) return;
            seen = Volatile.Read(ref signals.Generation);
            Execute(worker + 1);
            Interlocked.Decrement(ref signals.Running);
        }
    }

    /// <summary>
    /// Returns when the generation has moved on. A worker announces that it parks before it looks a last time; the caller moves the
    /// generation before it looks who has parked: one of them always sees the other. A caller that was held up may wake a worker that
    /// has done its part already and parked again, so being woken means nothing by itself.
    /// </summary>
    private void WaitForWork(int worker, int seen)
    {
        while (true)
        {
            long start = 0;
            for (int looks = 1; Volatile.Read(ref signals.Generation) == seen; looks++)
            {
                Rest(looks);
                if (looks % LooksBeforeYielding != 0) continue;
                if (start == 0) start = Stopwatch.GetTimestamp();
                else if (Stopwatch.GetElapsedTime(start) > SpinsBeforeParking) break;
            }

            if (Volatile.Read(ref signals.Generation) != seen) return;
            Interlocked.Exchange(ref parked[worker], 1);
            if (Volatile.Read(ref signals.Generation) != seen && Interlocked.Exchange(ref parked[worker], 0) == 1) return;
            wake[worker].Wait();
        }
    }

    private void Execute(int part)
    {
        try
        {
            signals.Region!(part, threads.Length + 1);
        }
#pragma warning disable CA1031 // Whatever a part throws belongs to the caller of Run.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = e;
        }
    }

    /// <summary>
    /// What threads wait for, each in cache lines of its own (processors fetch two together): workers that end a region take nothing from those
    /// that wait for the next one.
    /// </summary>
    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Signals
    {
        /// <summary>What runs; beside the generation, because a worker that sees that reads it next.</summary>
        [FieldOffset(128)]
        public Action<int, int>? Region;

        /// <summary>Regions so far.</summary>
        [FieldOffset(136)]
        public int Generation;

        /// <summary>Workers that have not ended the region.</summary>
        [FieldOffset(256)]
        public int Running;
    }
}
