using Llama.Model.Layers;
using Llama.Torch.Native;

namespace Llama.Torch;

/// <summary>The Torch backend as programs load it.</summary>
public sealed class TorchPlugin : IDevicePlugin
{
    /// <inheritdoc/>
    public bool HasOwnDevice => CudaDriver.Count > 0;

    /// <inheritdoc/>
    public IDevice Open(string name, int threads, string folder, Action<string> warn)
    {
        ArgumentNullException.ThrowIfNull(warn);
        TorchDevice device = TorchDevice.Open(name, threads, folder);
        if (LibTorch.LoadedVersion is { } version && version != LibTorch.Version)
            warn($"libtorch is {version}, and the Torch backend was made for {LibTorch.Version}; it loads, and its self-test decides what is promised.");
        return device;
    }
}
