using System.Runtime.InteropServices;

namespace Llama.Model.Kernels;

/// <summary>
/// Which of the machine's cores a thread runs on. Only Linux is asked (sched_getaffinity(2), sched_setaffinity(2)): there a core is pinned
/// to by its number alone. Threads that a pinned one starts are not pinned: the runtime gives every new thread the cores of the process.
/// </summary>
public static unsafe partial class ThreadAffinity
{
    /// <summary>Cores are numbered from 0 to one less than this: the most that Linux is built for.</summary>
    public const int MaxCores = 8192;

    private const int MaskBytes = MaxCores / 8;
    private const int BitsInWord = 64;
    private const int CallingThread = 0;

    /// <summary>Whether this system pins threads.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>The cores that the calling thread may run on, in rising order.</summary>
    /// <exception cref="IOException">The system does not tell.</exception>
    public static IReadOnlyList<int> Cores()
    {
        ulong* mask = stackalloc ulong[MaxCores / BitsInWord];
        new Span<ulong>(mask, MaxCores / BitsInWord).Clear();
        if (GetAffinity(CallingThread, MaskBytes, mask) < 0)
            throw new IOException($"The system does not say on which cores a thread may run: {Marshal.GetLastPInvokeErrorMessage()}.");
        var cores = new List<int>();
        for (int core = 0; core < MaxCores; core++)
        {
            if ((mask[core / BitsInWord] >> (core % BitsInWord) & 1) == 1) cores.Add(core);
        }

        return cores;
    }

    /// <summary>Keeps the calling thread on one core from now on.</summary>
    /// <param name="core">0 to <see cref="MaxCores"/> - 1.</param>
    /// <exception cref="IOException">The machine has no such core, or the process may not use it.</exception>
    public static void Pin(int core)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(core);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(core, MaxCores);
        ulong* mask = stackalloc ulong[MaxCores / BitsInWord];
        new Span<ulong>(mask, MaxCores / BitsInWord).Clear();
        mask[core / BitsInWord] = 1UL << (core % BitsInWord);
        if (SetAffinity(CallingThread, MaskBytes, mask) != 0)
            throw new IOException($"A thread cannot be kept on core {core}: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static partial int GetAffinity(int thread, nuint maskBytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int thread, nuint maskBytes, ulong* mask);
}
