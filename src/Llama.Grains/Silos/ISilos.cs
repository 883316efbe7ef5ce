using Llama.Grains.Stages;

namespace Llama.Grains.Silos;

/// <summary>
/// The silos with devices, as a gateway sees them, and how it calls them. Reading never waits: the view is what was heard last, and stays
/// while nothing can be heard.
/// </summary>
public interface ISilos
{
    /// <summary>Who is there, as it was heard last.</summary>
    SilosView View { get; }

    /// <summary>Waits until the view is newer than a version.</summary>
    /// <param name="version">The version that the caller knows.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken);

    /// <inheritdoc cref="ILayerRangeGrain.LoadAsync"/>
    /// <param name="silo">Whose device takes the place.</param>
    /// <param name="assignment">The place.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<StageReport> LoadAsync(Member silo, StageAssignment assignment, CancellationToken cancellationToken);

    /// <summary>Has a silo note whether it is drained, for gateways that come later.</summary>
    /// <param name="silo">The silo; another process of the same name takes no notice.</param>
    /// <param name="drained">Whether it is.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task MarkAsync(Member silo, bool drained, CancellationToken cancellationToken);

    /// <summary>A pipeline was lost in which a silo had a place: its process may be gone, and the cluster may be told so.</summary>
    /// <param name="silo">The silo.</param>
    void Suspect(Member silo);
}
