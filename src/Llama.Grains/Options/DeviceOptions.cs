using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Grains.Options;

/// <summary>What a silo computes with: one that is a process, the one inside a gateway, or those that a program starts.</summary>
public abstract record DeviceOptions : ClusterOptions
{
    /// <summary>Memory that weights and KV of a silo may take; null for an equal share with the other silos of the machine.</summary>
    [Description("Memory that weights, keys and values of a silo may take, if not an equal share of the machine's with the other silos on it.")]
    [Range(typeof(ByteSize), "1MiB", "64TiB")]
    public ByteSize? Memory { get; init; }

    /// <summary>The cores that compute threads are pinned to; null to pin none.</summary>
    [Description("Cores that compute threads are pinned to, on Linux, if they are; at least one for each.")]
    [CoreList]
    public virtual string? Cores { get; init; }

    /// <summary>The vectors that kernels use.</summary>
    [Description("Vectors that products use: avx2, avx512, or auto for what is fastest here; results have the same bits.")]
    [Instructions]
    public string Instructions { get; init; } = "auto";

    /// <summary>What computes: see <see cref="Llama.Model.Layers.Devices"/>.</summary>
    [Description("What computes: cpu, torch:cpu, a GPU like cuda:0 (either also with :same-steps), or auto for a GPU where it and the Torch backend are there.")]
    [RegularExpression(Llama.Model.Layers.Devices.NamePattern, ErrorMessage = Llama.Model.Layers.Devices.Names)]
    public string Devices { get; init; } = "cpu";

    /// <summary>Folder of the Torch backend; null for <c>torch</c> beside the program.</summary>
    [Description("Folder of the Torch backend, if not 'torch' beside the program.")]
    public string? Torch { get; init; }
}
