namespace Llama.Grains.Tests.Membership;

/// <summary>A grain that tells which activation it is.</summary>
[Alias("llama.tests.where")]
public interface IWhereGrain : IGrainWithStringKey
{
    /// <summary>The silo and the activation.</summary>
    [Alias("where")]
    Task<string> WhereAsync();
}

/// <inheritdoc/>
public sealed class WhereGrain(ILocalSiloDetails silo, IGrainContext context) : Grain, IWhereGrain
{
    public Task<string> WhereAsync() => Task.FromResult($"{silo.SiloAddress} {context.ActivationId}");
}
