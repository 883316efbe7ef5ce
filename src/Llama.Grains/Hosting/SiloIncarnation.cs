namespace Llama.Grains.Hosting;

/// <summary>One life of this process as a member of the cluster: from active to the end, after which there may be another.</summary>
/// <param name="Number">Counts the incarnations of the process, from 1.</param>
/// <param name="Address">Its address; the generation tells it from the one before, at the same ports.</param>
/// <param name="Grains">Makes references to grains. Their calls fail with <see cref="SiloUnavailableException"/> once it has ended.</param>
/// <param name="Membership">What Orleans knows of the silos.</param>
/// <param name="Services">The services of its host, which are disposed of some time after it has ended.</param>
/// <param name="Ended">Cancelled when it has ended: the process stops, or the cluster declared the silo dead.</param>
public sealed record SiloIncarnation(
    int Number, SiloAddress Address, IGrainFactory Grains, IClusterMembershipService Membership, IServiceProvider Services,
    CancellationToken Ended);
