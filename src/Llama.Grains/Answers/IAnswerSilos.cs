namespace Llama.Grains.Answers;

/// <summary>How to call what silos keep of answers.</summary>
public interface IAnswerSilos
{
    /// <inheritdoc cref="IAnswersGrain.AppendAsync"/>
    /// <param name="silo">Name of the silo that is to keep them.</param>
    /// <param name="parts">The parts.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<IReadOnlyList<int>> AppendAsync(string silo, IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken);

    /// <inheritdoc cref="IAnswersGrain.ReadAsync"/>
    /// <param name="silo">Name of a silo that may have it.</param>
    /// <param name="place">Which record, and the first byte of the page.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<RecordPage> ReadAsync(string silo, RecordPlace place, CancellationToken cancellationToken);
}

/// <summary>One process of a silo.</summary>
/// <param name="Name">The silo's name.</param>
/// <param name="Instance">Tells this process from every other.</param>
[GenerateSerializer, Immutable, Alias("llama.silo-process")]
public sealed record SiloProcess([property: Id(0)] string Name, [property: Id(1)] string Instance);
