using Llama.Grains.Hosting;
using Orleans.GrainDirectory;

namespace Llama.Grains.Tests.Hosting;

/// <summary>Tells where it lives.</summary>
[Alias("llama.tests.IPlaceGrain")]
public interface IPlaceGrain : IGrainWithStringKey
{
    /// <summary>Where it lives and which activation it is.</summary>
    [Alias("Where")]
    Task<Place> WhereAsync();
}

/// <summary>A grain on the silo that its key names.</summary>
[Alias("llama.tests.INamedGrain")]
public interface INamedGrain : IPlaceGrain;

/// <summary>A grain on a gateway.</summary>
[Alias("llama.tests.IGatewayPlaced")]
public interface IGatewayPlaced : IPlaceGrain;

/// <param name="Silo">The silo's name.</param>
/// <param name="Generation">The silo's incarnation.</param>
/// <param name="Activation">The activation's id.</param>
/// <param name="Process">The process's id.</param>
[GenerateSerializer, Alias("llama.tests.Place")]
public sealed record Place([property: Id(0)] string Silo, [property: Id(1)] int Generation, [property: Id(2)] string Activation, [property: Id(3)] int Process);

[NamedSiloPlacement, GrainDirectory(ProcessLocalDirectory.Name)]
internal sealed class NamedGrain(ILocalSiloDetails silo, IGrainContext context) : PlaceGrain(silo, context), INamedGrain;

[RolePlacement("gateway")]
internal sealed class GatewayPlaced(ILocalSiloDetails silo, IGrainContext context) : PlaceGrain(silo, context), IGatewayPlaced;

internal abstract class PlaceGrain(ILocalSiloDetails silo, IGrainContext context) : Grain, IPlaceGrain
{
    public Task<Place> WhereAsync() =>
        Task.FromResult(new Place(silo.Name, silo.SiloAddress.Generation, context.ActivationId.ToString(), Environment.ProcessId));
}
