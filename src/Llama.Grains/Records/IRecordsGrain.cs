namespace Llama.Grains.Records;

/// <summary>
/// What a silo keeps of answers under way, so that they outlive the gateway. To the silo a record is a name and bytes that grow at their
/// end; <see cref="AnswerRecord"/> says what they mean.
/// </summary>
public interface IRecordsGrain
{
    /// <summary>
    /// Takes parts of records: one at 0 begins its record anew, one at its record's length adds to it, and another is not taken.
    /// </summary>
    /// <returns>The length of each part's record now, bytes: where a part was taken, its end.</returns>
    /// <exception cref="ArgumentException">A part has no name, or one that is too long.</exception>
    Task<IReadOnlyList<int>> AppendAsync(IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken);

    /// <summary>Reads a record, a page at a time.</summary>
    /// <param name="name">Which one.</param>
    /// <param name="offset">First byte of the page.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The page; an empty one of a record that is not there, or behind its end.</returns>
    Task<RecordPage> ReadAsync(string name, int offset, CancellationToken cancellationToken);
}

/// <summary>Bytes of a record.</summary>
/// <param name="Name">Which record.</param>
/// <param name="Offset">Where they belong.</param>
/// <param name="Bytes">The bytes; at most <see cref="RecordsGrain.PageBytes"/> in all parts of a call.</param>
public sealed record RecordPart(string Name, int Offset, ReadOnlyMemory<byte> Bytes);

/// <summary>A part of a record, as it is read.</summary>
/// <param name="Length">Bytes of the whole record; 0 when there is none.</param>
/// <param name="Bytes">Those that were asked for, at most <see cref="RecordsGrain.PageBytes"/>.</param>
public sealed record RecordPage(int Length, ReadOnlyMemory<byte> Bytes);
