using System.Runtime.InteropServices;
using TorchSharp;

namespace Llama.Torch.Native;

/// <summary>What TorchSharp has no public method for.</summary>
internal static unsafe partial class TorchNative
{
    /// <summary>First byte of a tensor in host memory, valid as long as the tensor.</summary>
    public static byte* Pointer(torch.Tensor tensor) => (byte*)TensorData(tensor.Handle);

    /// <summary>
    /// Has scripts run as they are written: fused kernels are compiled while serving, and for other shapes anew.
    /// </summary>
    public static void TurnFusersOff()
    {
        SetTensorExpressionFuser(0);
        OverrideCanFuseOnCpu(0);
        OverrideCanFuseOnGpu(0);
    }

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    private static partial void* TensorData(nint tensor);

    // torch::jit::setTensorExprFuserEnabled(bool), overrideCanFuseOnCPU(bool) and overrideCanFuseOnGPU(bool).
    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch3jit25setTensorExprFuserEnabledEb")]
    private static partial void SetTensorExpressionFuser(byte enabled);

    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch3jit20overrideCanFuseOnCPUEb")]
    private static partial void OverrideCanFuseOnCpu(byte can);

    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch3jit20overrideCanFuseOnGPUEb")]
    private static partial void OverrideCanFuseOnGpu(byte can);
}
