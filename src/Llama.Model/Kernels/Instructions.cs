using System.Runtime.Intrinsics.X86;

namespace Llama.Model.Kernels;

/// <summary>
/// Which vectors the kernels of this process use. The bits of all results are the same with every choice.
/// </summary>
public static class Instructions
{
    /// <summary>Whether kernels use 512-bit vectors.</summary>
    public static bool AreWide { get; internal set; } = HaveWide;

    /// <summary>Whether the processor has the 512-bit instructions that kernels use.</summary>
    public static bool HaveWide => Avx512F.IsSupported && Avx512F.VL.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported;
}
