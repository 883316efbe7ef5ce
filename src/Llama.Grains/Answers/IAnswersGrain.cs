namespace Llama.Grains.Answers;

/// <summary>
/// What a silo keeps of answers in flight, so that they outlive the gateway. Its key is the silo's name. To the silo a record is a name
/// and bytes that grow at their end; <see cref="AnswerRecord"/> says what they mean.
/// </summary>
[Alias("llama.IAnswersGrain")]
public interface IAnswersGrain : IGrainWithStringKey
{
    /// <summary>
    /// Takes parts of records: one at 0 begins its record anew, one at its record's length adds to it, and another is not taken.
    /// </summary>
    /// <param name="parts">The parts.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The length of each part's record now, bytes: where a part was taken, its end.</returns>
    /// <exception cref="ArgumentException">A part has no name, or one that is too long.</exception>
    [Alias("Append")]
    Task<IReadOnlyList<int>> AppendAsync(IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken);

    /// <summary>Reads a record, a page at a time.</summary>
    /// <param name="place">Which record, and the first byte of the page.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The page; an empty one of a record that is not there, or behind its end.</returns>
    [Alias("Read")]
    Task<RecordPage> ReadAsync(RecordPlace place, CancellationToken cancellationToken);
}

/// <summary>Bytes of a record.</summary>
/// <param name="Name">Which record.</param>
/// <param name="Offset">Where they belong.</param>
/// <param name="Bytes">The bytes; at most <see cref="AnswerStore.PageBytes"/> in all parts of a call.</param>
[GenerateSerializer, Immutable, Alias("llama.record-part")]
public sealed record RecordPart(
    [property: Id(0)] string Name, [property: Id(1)] int Offset, [property: Id(2)] ReadOnlyMemory<byte> Bytes);

/// <summary>A place in a record.</summary>
/// <param name="Name">Which record.</param>
/// <param name="Offset">A byte of it.</param>
[GenerateSerializer, Immutable, Alias("llama.record-place")]
public sealed record RecordPlace([property: Id(0)] string Name, [property: Id(1)] int Offset);

/// <summary>A part of a record, as it is read.</summary>
/// <param name="Length">Bytes of the whole record; 0 when there is none.</param>
/// <param name="Bytes">Those that were asked for, at most <see cref="AnswerStore.PageBytes"/>.</param>
[GenerateSerializer, Immutable, Alias("llama.record-page")]
public sealed record RecordPage([property: Id(0)] int Length, [property: Id(1)] ReadOnlyMemory<byte> Bytes);
