using System.Buffers.Binary;
using System.Text.Json;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>
/// A safetensors file: the length of a header as 8 bytes, the header, a JSON object that gives type, shape and place of every tensor,
/// and the tensors, used where they lie.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private const int LengthBytes = 8;
    private const int MostDimensions = 8;

    // The format allows 100 MB; a header of a thousand tensors takes 100 kB.
    private const int LargestHeader = 8 << 20;

    private readonly MappedFile file;
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);
    private readonly long dataStart;

    private sealed record Entry(string Type, long[] Shape, long Begin, long End);

    /// <summary>Maps a file and reads its header.</summary>
    /// <exception cref="CheckpointException">It is missing, cut off or damaged.</exception>
    public SafetensorsFile(string path)
    {
        file = new MappedFile(path);
        try
        {
            ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(file.Span(0, LengthBytes, "the header's length"));
            if (headerBytes > LargestHeader) throw Fault($"found a header of {headerBytes} bytes, expected at most {LargestHeader}");
            dataStart = LengthBytes + (long)headerBytes;
            ReadHeader(file.Span(LengthBytes, (int)headerBytes, "the header"));
            CheckPlaces();
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The names of all tensors.</summary>
    public IReadOnlyCollection<string> TensorNames => entries.Keys;

    /// <summary>The stored type of any tensor, as the file names it; null if it holds none.</summary>
    public string? AnyType => entries.Values.FirstOrDefault()?.Type;

    /// <summary>A tensor, or null if there is none of this name.</summary>
    public StoredTensor? Find(string name)
    {
        if (!entries.TryGetValue(name, out Entry? entry)) return null;
        (long at, long bytes) = (dataStart + entry.Begin, entry.End - entry.Begin);
        return new StoredTensor(name, file.Path, entry.Type, entry.Shape, file.Address(at, bytes, $"tensor {name}"))
        {
            Offset = at,
            IsHere = file.Holds(at, bytes),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private void ReadHeader(ReadOnlySpan<byte> header)
    {
        try
        {
            var reader = new Utf8JsonReader(header, new JsonReaderOptions { MaxDepth = 4 });
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject) throw Fault("found a header that is not a JSON object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                reader.Read();
                if (name == "__metadata__") reader.Skip();
                else if (!entries.TryAdd(name, ReadEntry(ref reader, name))) throw Fault($"found tensor {Excerpt.Of(name)} twice");
            }

            // The header may be padded with spaces, and with nothing else.
            reader.Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{file.Path}: found a header that is not valid JSON: {Excerpt.Of(e.Message)}", e);
        }
    }

    private Entry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        string? type = null;
        long[]? shape = null, offsets = null;
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Fault($"found tensor {Excerpt.Of(name)} described by something other than an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string field = reader.GetString()!;
            reader.Read();
            if (field == "dtype" && reader.TokenType == JsonTokenType.String) type = reader.GetString();
            else if (field == "shape") shape = ReadNumbers(ref reader, name, field);
            else if (field == "data_offsets") offsets = ReadNumbers(ref reader, name, field);
            else throw Fault($"tensor {Excerpt.Of(name)}: found field {Excerpt.Of(field)}, expected dtype, shape and data_offsets");
        }

        return type is not null && shape is not null && offsets is [var begin, var end] && begin <= end
            ? new Entry(type, shape, begin, end)
            : throw Fault($"tensor {Excerpt.Of(name)}: expected dtype, shape and two ascending data_offsets");
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string field)
    {
        var numbers = new List<long>(2);
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long number) && number >= 0
                && numbers.Count < MostDimensions)
            {
                numbers.Add(number);
            }

            if (reader.TokenType == JsonTokenType.EndArray) return [.. numbers];
        }

        throw Fault($"tensor {Excerpt.Of(name)}: {field}: expected a list of at most {MostDimensions} whole numbers");
    }

    /// <summary>Every tensor lies in the file, is as long as its type and shape say, and shares no byte with another.</summary>
    private void CheckPlaces()
    {
        long end = 0;
        foreach ((string name, Entry entry) in entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End))
        {
            if (entry.Begin < end) throw Fault($"tensor {Excerpt.Of(name)}: begins at {entry.Begin}, within another that ends at {end}");
            end = entry.End;
            if (end > file.Length - dataStart)
            {
                throw Fault(
                    $"tensor {Excerpt.Of(name)}: takes bytes from {dataStart + entry.Begin}, {end - entry.Begin} of them, "
                    + $"but the file ends at byte {file.Length}: {WrongDownload.Truncated}");
            }

            if (ElementBytes(entry.Type) is { } elementBytes && StoredTensor.Bytes(entry.Shape, elementBytes) != end - entry.Begin)
            {
                throw Fault(
                    $"tensor {Excerpt.Of(name)}: found {end - entry.Begin} bytes, expected {entry.Type} {StoredTensor.Text(entry.Shape)}");
            }
        }
    }

    // Other types are refused when a tensor of one is asked for.
    private static int? ElementBytes(string type) => type switch
    {
        "F32" => 4,
        "F16" or "BF16" => 2,
        Fp8Weights.TypeName => 1,
        _ => null,
    };

    private CheckpointException Fault(string found) => new($"{file.Path}: {found}");
}
