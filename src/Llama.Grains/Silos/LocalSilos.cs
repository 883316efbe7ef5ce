using Llama.Grains.Answers;
using Llama.Grains.Stages;

namespace Llama.Grains.Silos;

/// <summary>The device of this process, for a gateway that serves alone.</summary>
public sealed class LocalSilos : ISilos, IAnswerSilos
{
    private readonly SiloNode silo;
    private readonly PublishedSilos view = new();

    /// <summary>One silo, which is always there.</summary>
    public LocalSilos(SiloNode silo)
    {
        ArgumentNullException.ThrowIfNull(silo);
        this.silo = silo;
        view.Publish([silo.Member], []);
    }

    /// <inheritdoc/>
    public SilosView View => view.Now;

    /// <inheritdoc/>
    public Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
        view.WaitForChangeAsync(version, cancellationToken);

    /// <inheritdoc/>
    public Task<StageReport> LoadAsync(Member silo, StageAssignment assignment, CancellationToken cancellationToken) =>
        this.silo.LoadAsync(assignment, cancellationToken);

    /// <inheritdoc/>
    public Task MarkAsync(Member silo, bool drained, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(silo);
        this.silo.Mark(new DrainMark(silo.Instance, drained));
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public void Suspect(Member silo)
    {
        // It is this process.
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<int>> AppendAsync(string silo, IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken) =>
        Task.FromResult(this.silo.Answers.Append(parts));

    /// <inheritdoc/>
    public Task<RecordPage> ReadAsync(string silo, RecordPlace place, CancellationToken cancellationToken) =>
        Task.FromResult(this.silo.Answers.Read(place));
}
