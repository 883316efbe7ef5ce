using System.Runtime.InteropServices;

namespace Llama.Model.Checkpoints.Files;

/// <summary>The pages of mapped files that this process has in memory.</summary>
internal static partial class MappedPages
{
    // MADV_DONTNEED of Linux's madvise(2).
    private const int NotNeeded = 4;

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

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
