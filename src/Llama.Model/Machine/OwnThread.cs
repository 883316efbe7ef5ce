namespace Llama.Model.Machine;

/// <summary>
/// Threads outside of the pool, each for one job that must not wait behind others. An exception that leaves a thread ends the process, so
/// none does: it is the outcome of the thread's task.
/// </summary>
public static class OwnThread
{
    /// <summary>Threads that a program has beside those of the pool and those that compute: of the runtime, of sockets, timers, links.</summary>
    private const int OfProgram = 20;

    /// <summary>
    /// Throws unless the system gives a program as many threads as it needs. When the runtime's pool gets no thread later, the runtime ends
    /// the process.
    /// </summary>
    /// <param name="computing">Threads that compute.</param>
    /// <exception cref="IOException">It gets fewer; the message says how many.</exception>
    public static void Demand(int computing)
    {
        int needed = OfProgram + Environment.ProcessorCount + computing;
        using var asked = new ManualResetEventSlim();
        var threads = new List<Task>();
        try
        {
            while (threads.Count < needed) threads.Add(Start("asked for", asked.Wait));
        }
        catch (IOException e)
        {
            throw new IOException($"Of {needed} threads the system gives {threads.Count}. {e.Message}", e);
        }
        finally
        {
            asked.Set();
            Task.WaitAll([.. threads]);
        }
    }

    /// <summary>Starts a thread, which does not keep the process from ending.</summary>
    /// <param name="name">Names it in a debugger.</param>
    /// <param name="body">What it does.</param>
    /// <returns>Completes when the body has returned, and fails with what it throws.</returns>
    /// <exception cref="IOException">The system gives the process no further thread.</exception>
    public static Task Start(string name, Action body)
    {
        ArgumentNullException.ThrowIfNull(body);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                body();
            }
#pragma warning disable CA1031 // A failure is a value: it belongs to the task's owner.
            catch (Exception e)
#pragma warning restore CA1031
            {
                ended.SetException(e);
                return;
            }

            ended.SetResult();
        })
        {
            IsBackground = true,
            Name = name,
        };
        try
        {
            thread.Start();
        }
        catch (Exception e) when (e is OutOfMemoryException or ThreadStartException)
        {
            throw new IOException(
                $"The system gives this process no thread for '{name}': its limit of threads (ulimit -u, the cgroup's pids.max) or of memory"
                + " is reached.", e);
        }

        return ended.Task;
    }
}
