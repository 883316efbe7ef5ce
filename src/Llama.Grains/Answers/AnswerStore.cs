using System.Buffers;

namespace Llama.Grains.Answers;

/// <summary>
/// Keeps records of answers, whatever becomes of pipelines and gateways, as long as its process lives: bounded in number and bytes. Those that have
/// not changed for longest go first, and each goes <see cref="KeepTime"/> after its last change.
/// </summary>
public sealed class AnswerStore(TimeProvider time)
{
    /// <summary>Records in all.</summary>
    public const int Most = 512;

    /// <summary>Bytes of one record.</summary>
    public const int MostBytesOfRecord = 8 << 20;

    /// <summary>Bytes that travel in one call.</summary>
    public const int PageBytes = 96 << 10;

    private const long MostBytes = 64 << 20;
    private const int MostNameLength = 128;

    /// <summary>How long a record is kept that does not change.</summary>
    public static readonly TimeSpan KeepTime = TimeSpan.FromMinutes(5);

    private readonly Lock gate = new();
    private readonly Dictionary<string, Record> records = new(StringComparer.Ordinal);
    private long bytes;

    /// <summary>Records that are kept, and what they take in memory, bytes.</summary>
    public (int Records, long Bytes) Kept
    {
        get
        {
            lock (gate) return (records.Count, bytes);
        }
    }

    /// <inheritdoc cref="IAnswersGrain.AppendAsync"/>
    public IReadOnlyList<int> Append(IReadOnlyList<RecordPart> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        lock (gate)
        {
            ForgetOld();
            return [.. parts.Select(Append)];
        }
    }

    /// <inheritdoc cref="IAnswersGrain.ReadAsync"/>
    public RecordPage Read(RecordPlace place)
    {
        ArgumentNullException.ThrowIfNull(place);
        lock (gate)
        {
            ForgetOld();
            ReadOnlyMemory<byte> all = records.GetValueOrDefault(place.Name)?.Bytes.WrittenMemory ?? default;
            int first = Math.Clamp(place.Offset, 0, all.Length);
            return new RecordPage(all.Length, all.Slice(first, Math.Min(PageBytes, all.Length - first)));
        }
    }

    private int Append(RecordPart part)
    {
        if (part is not { Name.Length: > 0 and <= MostNameLength })
            throw new ArgumentException($"A record's name must have 1 to {MostNameLength} characters.");
        if (part.Offset == 0) Remove(part.Name);
        if (!records.TryGetValue(part.Name, out Record? record))
        {
            if (part.Offset != 0) return 0;
            records.Add(part.Name, record = new Record());
        }

        if (part.Offset != record.Bytes.WrittenCount || part.Bytes.Length > MostBytesOfRecord - part.Offset)
            return record.Bytes.WrittenCount;
        bytes -= record.Bytes.Capacity;
        record.Bytes.Write(part.Bytes.Span);
        bytes += record.Bytes.Capacity;
        record.ChangedAt = time.GetTimestamp();
        while (records.Count > Most || bytes > MostBytes)
            Remove(records.Where(other => other.Value != record).MinBy(other => other.Value.ChangedAt).Key);
        return record.Bytes.WrittenCount;
    }

    private void ForgetOld()
    {
        foreach ((string name, Record record) in records)
        {
            // A dictionary may be removed from while it is enumerated.
            if (time.GetElapsedTime(record.ChangedAt) > KeepTime) Remove(name);
        }
    }

    private void Remove(string name)
    {
        if (records.Remove(name, out Record? record)) bytes -= record.Bytes.Capacity;
    }

    private sealed class Record
    {
        public ArrayBufferWriter<byte> Bytes { get; } = new();

        public long ChangedAt { get; set; }
    }
}
