using Llama.Grains.Generation;

namespace Llama.Grains.Answers;

/// <summary>The records of answers as a gateway sees them: it writes them to one silo, and finds what any has.</summary>
public interface IAnswerRecords
{
    /// <summary>
    /// The process that keeps records at present, the silo with the first layers; null while there is none. Another one has nothing of what
    /// this one was sent.
    /// </summary>
    string? Keeper { get; }

    /// <summary>Sends parts of records to the keeper; see <see cref="IAnswersGrain.AppendAsync"/>.</summary>
    /// <returns>The length of each part's record; null when the keeper did not answer, which may have taken them or not.</returns>
    Task<IReadOnlyList<int>?> AppendAsync(IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken);

    /// <summary>Asks all silos for a record, and waits a short time for those that do not answer.</summary>
    /// <returns>The longest that one of them has; empty when none has any.</returns>
    /// <exception cref="GenerationException">It is not known yet which silos there are.</exception>
    Task<ReadOnlyMemory<byte>> FindAsync(string name, CancellationToken cancellationToken);
}
