using System.Runtime.InteropServices;

namespace Llama.Model.Kernels;

/// <summary>What the system is told of this process's pages: Linux's madvise(2).</summary>
internal static partial class MemoryPages
{
    private const int NotNeeded = 4;
    private const int Huge = 14;

    /// <summary>Bytes of a huge page on the processors that this is written for.</summary>
    public const int HugeBytes = 2 << 20;

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
    /// Asks for pages of 2 MiB in memory that was just allocated: reading much of it, the processor looks up fewer addresses, and its
    /// prefetching does not stop every 4 KiB.
    /// </summary>
    /// <param name="address">First byte, of no mapped file.</param>
    /// <param name="bytes">How many; nothing is asked for where they have no such page.</param>
    public static void AskForHuge(nint address, long bytes)
    {
        nint first = HugeFrom(address);
        long whole = (address + (nint)bytes - first) / HugeBytes * HugeBytes;

        // That it fails means only that the pages are small ones.
        if (OperatingSystem.IsLinux() && whole > 0) _ = Advise(first, (nuint)whole, Huge);
    }

    /// <summary>Where the first huge page from an address on begins.</summary>
    public static nint HugeFrom(nint address) => (address + HugeBytes - 1) / HugeBytes * HugeBytes;

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
