namespace Llama.Grains.Answers;

/// <summary>Calls what silos keep of answers through their grains.</summary>
/// <param name="grains">The grain factory at present; throws while the cluster cannot be reached.</param>
public sealed class GrainAnswers(Func<IGrainFactory> grains) : IAnswerSilos
{
    /// <inheritdoc/>
    public Task<IReadOnlyList<int>> AppendAsync(string silo, IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken) =>
        grains().GetGrain<IAnswersGrain>(silo).AppendAsync(parts, cancellationToken);

    /// <inheritdoc/>
    public Task<RecordPage> ReadAsync(string silo, RecordPlace place, CancellationToken cancellationToken) =>
        grains().GetGrain<IAnswersGrain>(silo).ReadAsync(place, cancellationToken);
}
