using Llama.Grains.Hosting;

namespace Llama.Grains.Answers;

/// <summary>The shell of a silo's <see cref="AnswerStore"/>.</summary>
/// <param name="store">What the process keeps.</param>
[NamedSiloPlacement, Orleans.GrainDirectory.GrainDirectory(ProcessLocalDirectory.Name)]
public sealed class AnswersGrain(AnswerStore store) : Grain, IAnswersGrain
{
    /// <inheritdoc/>
    public Task<IReadOnlyList<int>> AppendAsync(IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken) =>
        Task.FromResult(store.Append(parts));

    /// <inheritdoc/>
    public Task<RecordPage> ReadAsync(RecordPlace place, CancellationToken cancellationToken) => Task.FromResult(store.Read(place));
}
