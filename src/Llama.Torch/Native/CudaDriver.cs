using System.Runtime.InteropServices;
using System.Text;

namespace Llama.Torch.Native;

/// <summary>What the GPU's driver tells, without libtorch and before anything is allocated (CUDA Driver API).</summary>
internal static unsafe partial class CudaDriver
{
    /// <summary>The oldest driver that runs programs of CUDA 12: 12.0, as the driver counts.</summary>
    private const int OldestVersion = 12_000;

    private const string Library = "libcuda.so.1";

    /// <summary>How many GPUs this process may use; 0 where there is no driver.</summary>
    public static int Count
    {
        get
        {
            try
            {
                return cuInit(0) == 0 && cuDeviceGetCount(out int count) == 0 ? count : 0;
            }
            catch (DllNotFoundException)
            {
                return 0;
            }
        }
    }

    /// <summary>Name and bytes of memory of a GPU.</summary>
    /// <param name="index">Which of those that this process may use.</param>
    /// <exception cref="IOException">There is none, or its driver is too old; the message says what to do.</exception>
    public static (string Name, long Bytes) Describe(int index)
    {
        try
        {
            int started = cuInit(0);
            if (started != 0) throw new IOException($"The GPU's driver does not start (error {started}); 'nvidia-smi' should list a GPU.");
            if (cuDriverGetVersion(out int version) == 0 && version < OldestVersion)
            {
                throw new IOException(
                    $"The GPU's driver is for CUDA {version / 1000}.{version % 1000 / 10}; libtorch needs one for 12.0 or newer (525 or newer): update it.");
            }

            if (cuDeviceGetCount(out int count) != 0 || index >= count)
                throw new IOException($"There is no GPU {index}; this process may use {count} (CUDA_VISIBLE_DEVICES).");
            byte* name = stackalloc byte[128];
            if (cuDeviceGet(out int device, index) != 0 || cuDeviceGetName(name, 128, device) != 0 || cuDeviceTotalMem_v2(out nuint bytes, device) != 0)
                throw new IOException($"The driver does not describe GPU {index}; 'nvidia-smi' may say why.");
            return (Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name)), (long)bytes);
        }
        catch (DllNotFoundException e)
        {
            throw new IOException($"There is no {Library}: install the driver of the GPU, or give --devices torch:cpu or cpu.", e);
        }
    }

#pragma warning disable IDE1006, SA1300 // The names of the driver's functions.
    [LibraryImport(Library)]
    private static partial int cuInit(uint flags);

    [LibraryImport(Library)]
    private static partial int cuDriverGetVersion(out int version);

    [LibraryImport(Library)]
    private static partial int cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    private static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)]
    private static partial int cuDeviceTotalMem_v2(out nuint bytes, int device);
#pragma warning restore IDE1006, SA1300
}
