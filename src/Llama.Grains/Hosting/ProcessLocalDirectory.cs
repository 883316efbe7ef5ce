using System.Collections.Concurrent;
using Orleans.GrainDirectory;

namespace Llama.Grains.Hosting;

/// <summary>
/// A grain directory that knows the activations of this silo and nothing else, a new one each incarnation. It suits grains whose
/// placement names their silo (<see cref="NamedSiloPlacementAttribute"/>): no other silo's death can end them, where Orleans' default
/// directory deactivates every grain that the dead silo listed, wherever it lives.
/// </summary>
internal sealed class ProcessLocalDirectory : IGrainDirectory
{
    /// <summary>What grain classes name it: <c>[GrainDirectory(ProcessLocalDirectory.Name)]</c>.</summary>
    public const string Name = "local";

    private readonly ConcurrentDictionary<GrainId, GrainAddress> activations = new();

    /// <inheritdoc/>
    public Task<GrainAddress?> Register(GrainAddress address) => Register(address, previousAddress: null);

    /// <inheritdoc/>
    public Task<GrainAddress?> Register(GrainAddress address, GrainAddress? previousAddress)
    {
        GrainAddress registered = activations.AddOrUpdate(
            address.GrainId, address,
            (_, present) => previousAddress is not null && present.ActivationId == previousAddress.ActivationId ? address : present);
        return Task.FromResult<GrainAddress?>(registered);
    }

    /// <inheritdoc/>
    public Task Unregister(GrainAddress address)
    {
        if (activations.TryGetValue(address.GrainId, out GrainAddress? present) && present.ActivationId == address.ActivationId)
            activations.TryRemove(KeyValuePair.Create(address.GrainId, present));
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult(activations.GetValueOrDefault(grainId));

    /// <inheritdoc/>
    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
