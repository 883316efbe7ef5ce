using System.Runtime.InteropServices;

namespace Llama.Model.Kernels;

/// <summary>What the system is told of this process's pages: Linux's madvise(2).</summary>
internal static partial class MemoryPages
{
    private const int NotNeeded = 4;
    private const int Huge = 14;

    /// <summary>
    /// Takes pages of a mapped file out of this process's memory; they are there again when they are touched. Other systems than Linux
    /// do so by themselves when memory is short.
    /// </summary>
    /// <param name="address">First byte, in a mapped file.</param>
    /// <param name="bytes">How many.</param>
    public static void Drop(nint address, long bytes)
    {
        if (!OperatingSystem.IsLinux()) return;
        nint first = address - (address % Environment.SystemPageSize);

        // That it fails means only that the pages stay.
        _ = Advise(first, (nuint)(bytes + address - first), NotNeeded);
    }

    /// <summary>
    /// Asks for pages of 2 MiB in memory that was just allocated, or in a mapped file, where some file systems have them when it is read
    /// for the first time: reading much of it, the processor looks up fewer addresses, and its prefetching does not stop every 4 KiB.
    /// </summary>
    /// <param name="address">First byte.</param>
    /// <param name="bytes">How many; what lies beside them may be asked for as well.</param>
    public static void AskForHuge(nint address, long bytes)
    {
        if (!OperatingSystem.IsLinux()) return;
        nint first = address - (address % Environment.SystemPageSize);

        // That it fails means only that the pages are small ones.
        _ = Advise(first, (nuint)(bytes + address - first), Huge);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
