using System.Globalization;
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

    /// <summary>
    /// Whether the system has so much memory left, and a gigabyte more, counting what it keeps of files as free: Linux's
    /// <c>MemAvailable</c> (proc_meminfo(5)). Other systems are taken to have it.
    /// </summary>
    /// <param name="bytes">How much.</param>
    public static bool HaveRoom(long bytes)
    {
        const string Field = "MemAvailable:";
        if (!OperatingSystem.IsLinux()) return true;
        string? line = File.ReadLines("/proc/meminfo").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
        return line is null || long.Parse(line.AsSpan(Field.Length).Trim()[..^3], CultureInfo.InvariantCulture) * 1024 > bytes + (1L << 30);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
