using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama.Model.Kernels;

/// <summary>
/// Which vectors the kernels of this process use: chosen once, at its start, and the bits of all results are the same with every choice.
/// </summary>
public static class Instructions
{
    /// <summary>What a user may choose on this processor: <c>auto</c> first.</summary>
    public static IReadOnlyList<string> Names => HaveWide ? ["auto", "avx2", "avx512"] : ["auto", "avx2"];

    /// <summary>What the kernels use.</summary>
    public static string Chosen => AreWide ? "avx512"
        : Vector256.IsHardwareAccelerated ? "avx2"
        : Vector128.IsHardwareAccelerated ? "128 bits"
        : "no vectors";

    /// <summary>Whether kernels use 512-bit vectors.</summary>
    internal static bool AreWide { get; set; } = HaveWide;

    private static bool HaveWide => Avx512F.IsSupported && Avx512F.VL.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported;

    /// <summary>
    /// Chooses. <c>auto</c> takes 512-bit vectors where the processor has them, unless a measurement of some milliseconds finds it slower with
    /// them: some lower their clock, and some have half as many units for them.
    /// </summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">It is none of them.</exception>
    public static void Choose(string name)
    {
        if (!Names.Contains(name)) throw new ArgumentException($"'{name}' is not one of {string.Join(", ", Names)}", nameof(name));
        AreWide = name != "avx2" && HaveWide && (name == "avx512" || MachineRates.AreWideFaster());
    }
}
