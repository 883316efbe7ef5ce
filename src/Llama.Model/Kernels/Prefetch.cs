using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Llama.Model.Kernels;

/// <summary>
/// Asks the memory for what comes next. Several rows are read side by side, each for a short way only: too short for the processor to
/// find out by itself. The rows after them lie behind them, so they are asked for in the order of addresses.
/// </summary>
internal static unsafe class Prefetch
{
    private const int LineBytes = 64;

    /// <summary>Asks for the lines of a number of bytes, and moves on behind them.</summary>
    /// <param name="address">Any address: nothing is read from it.</param>
    /// <param name="bytes">How many.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Next(ref byte* address, int bytes)
    {
        Near(address, bytes);
        address += bytes;
    }

    /// <summary>Asks for the lines of a number of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Near(byte* address, int bytes)
    {
        if (!Sse.IsSupported) return;
        for (int line = 0; line < bytes; line += LineBytes) Sse.Prefetch0(address + line);
    }
}
