using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Llama.AppHost;

/// <summary>
/// Ends processes of the cluster at once when all of it stops. The orchestrator ends them as well, but only after some seconds on a busy
/// machine.
/// </summary>
internal static partial class ProgramProcess
{
    /// <summary>How long they may take to end after they were asked to.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1.2);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(0.05);

    private const int Terminate = 15;

    /// <summary>Asks processes to end, and kills those that run on.</summary>
    /// <param name="ids">Their ids.</param>
    public static async Task StopAsync(IReadOnlyCollection<int> ids)
    {
        // Windows has no signals; there the orchestrator alone ends them.
        if (OperatingSystem.IsWindows())
            return;
        foreach (int id in ids)
            _ = Send(id, Terminate);
        for (long since = Stopwatch.GetTimestamp(); ids.Any(IsAlive) && Stopwatch.GetElapsedTime(since) < Grace;)
            await Task.Delay(Look).ConfigureAwait(false);
        foreach (int id in ids)
            Kill(id);
    }

    private static bool IsAlive(int id) => Send(id, 0) == 0;

    private static void Kill(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            process.Kill();
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // It has ended.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int id, int signal);
}
