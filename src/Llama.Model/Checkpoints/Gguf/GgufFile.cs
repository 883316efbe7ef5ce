using System.Buffers.Binary;
using System.Numerics;
using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>
/// One GGUF file (version 2 or 3, little-endian): a header of metadata and of names, shapes, types and places of tensors, and the
/// tensors, used where they lie. Everything that the header says is checked against the file when it is opened.
/// Specification: github.com/ggml-org/ggml, docs/gguf.md.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    private const int MostTensors = 1 << 20;
    private const int MostDimensions = 4;
    private const int LongestName = 64;
    private const int LargestAlignment = 1 << 20;

    // Name length, number of dimensions, one dimension, type and place.
    private const int LeastTensorBytes = 8 + 4 + 8 + 4 + 8;

    private readonly MappedFile file;
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);

    // Without a type: one that cannot be read, of a tensor beside the language model.
    private sealed record Entry(ElementType? Type, long[] Shape, long Offset, long Bytes, long DescribedAt);

    /// <summary>Maps a file and reads its header.</summary>
    /// <exception cref="CheckpointException">It is missing, cut off or damaged, or has a tensor of a type that cannot be read.</exception>
    public GgufFile(string path)
    {
        file = new MappedFile(path);
        try
        {
            var cursor = new GgufCursor(file, 0);
            ReadMagic(cursor);
            long tensorsAt = cursor.Position;
            long tensors = cursor.UInt64("the number of tensors", long.MaxValue);
            long most = Math.Min(MostTensors, cursor.Left / LeastTensorBytes);
            if (tensors > most) throw cursor.Fault(tensorsAt, $"found {tensors} tensors, expected at most {most} in a file of {file.Length} bytes");
            long keys = cursor.UInt64("the number of metadata keys", long.MaxValue);
            Metadata = new GgufMetadata(file, cursor, keys);
            int alignment = Metadata.Whole("general.alignment", 1, LargestAlignment) ?? 32;
            if (!BitOperations.IsPow2(alignment)) throw Metadata.Wrong("general.alignment", "a power of two");
            for (long i = 0; i < tensors; i++) ReadTensor(cursor, i, alignment);
            CheckPlaces(cursor.Position, alignment);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The file's path.</summary>
    public string Path => file.Path;

    /// <summary>The metadata.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>Where the tensors begin, in bytes from the file's start.</summary>
    public long DataStart { get; private set; }

    /// <summary>The names of all tensors.</summary>
    public IReadOnlyCollection<string> TensorNames => entries.Keys;

    /// <summary>The type that most bytes of the tensors have; null where there are none.</summary>
    public ElementType? MostFrequentType =>
        entries.Values.GroupBy(entry => entry.Type).MaxBy(group => group.Sum(entry => entry.Bytes))?.Key;

    /// <summary>A tensor, or null if there is none of this name.</summary>
    public StoredTensor? Find(string name)
    {
        if (!entries.TryGetValue(name, out Entry? entry) || entry.Type is not { } type) return null;
        nint data = file.Address(DataStart + entry.Offset, entry.Bytes, $"tensor {name}");
        return new StoredTensor(name, file.Path, type.ToString(), entry.Shape, data)
        {
            KnownType = type,
            Offset = DataStart + entry.Offset,
            IsHere = file.Holds(DataStart + entry.Offset, entry.Bytes),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static void ReadMagic(GgufCursor cursor)
    {
        ReadOnlySpan<byte> magic = cursor.Take(4, "the magic number");
        if (!magic.SequenceEqual("GGUF"u8))
            throw cursor.Fault(0, $"found {Convert.ToHexStringLower(magic)}, expected {Convert.ToHexStringLower("GGUF"u8)} (GGUF)");
        uint version = cursor.UInt32("the version");
        if (version is 2 or 3) return;
        string found = BinaryPrimitives.ReverseEndianness(version) is 2 or 3 ? "a big-endian file" : $"version {version}";
        throw cursor.Fault(4, $"found {found}, expected GGUF version 2 or 3, little-endian");
    }

    private void ReadTensor(GgufCursor cursor, long index, int alignment)
    {
        long at = cursor.Position;
        string name = cursor.Text($"the name of tensor {index}", LongestName);
        string what = $"tensor {Excerpt.Of(name)}";
        uint dimensions = cursor.UInt32($"the dimensions of {what}");
        if (dimensions is < 1 or > MostDimensions)
            throw cursor.Fault(at, $"{what}: found {dimensions} dimensions, expected 1 to {MostDimensions}");

        // The first dimension is the one whose elements follow each other; ours come last.
        long[] shape = new long[dimensions];
        for (int i = shape.Length - 1; i >= 0; i--) shape[i] = cursor.UInt64($"a dimension of {what}", long.MaxValue);
        long typeAt = cursor.Position;
        uint code = cursor.UInt32($"the type of {what}");
        if (GgufTypes.Find(code) is not { } type)
        {
            if (GgufNames.IsOfModel(name))
            {
                throw cursor.Fault(
                    typeAt, $"{what}: found type {GgufTypes.NameOfOther(code)}, expected {string.Join(", ", Enum.GetNames<ElementType>())}");
            }

            // How long it is only its type tells; where it begins bounds the one before.
            long place = cursor.UInt64($"the place of {what}", file.Length);
            if (!entries.TryAdd(name, new Entry(null, shape, place, 0, at))) throw cursor.Fault(at, $"found {what} again");
            return;
        }

        if (shape[^1] % type.BlockElements() != 0)
            throw cursor.Fault(at, $"{what}: found rows of {shape[^1]} elements, expected whole blocks of {type.BlockElements()} for {type}");
        long blocks = shape[^1] / type.BlockElements();
        long[] blockShape = [.. shape[..^1], blocks];
        long bytes = StoredTensor.Bytes(blockShape, type.BlockBytes())
            ?? throw cursor.Fault(at, $"{what}: found shape {StoredTensor.Text(shape)}, more than any file holds");
        long offsetAt = cursor.Position;
        long offset = cursor.UInt64($"the place of {what}", long.MaxValue);
        if (offset % alignment != 0)
            throw cursor.Fault(offsetAt, $"{what}: found place {offset}, expected a multiple of {alignment}");
        if (!entries.TryAdd(name, new Entry(type, shape, offset, bytes, at))) throw cursor.Fault(at, $"found {what} again");
    }

    /// <summary>Every tensor lies in the file, and shares no byte with another.</summary>
    private void CheckPlaces(long headerEnd, int alignment)
    {
        DataStart = (headerEnd + alignment - 1) / alignment * alignment;
        long end = 0;
        foreach ((string name, Entry entry) in entries.OrderBy(pair => pair.Value.Offset).ThenBy(pair => pair.Value.Bytes))
        {
            if (entry.Offset < end)
            {
                throw new CheckpointException(
                    $"{Path}: at byte {entry.DescribedAt}: tensor {Excerpt.Of(name)}: begins at {entry.Offset}, "
                    + $"within another that ends at {end}");
            }

            if (entry.Bytes > file.Length - DataStart - entry.Offset)
            {
                throw new CheckpointException(
                    $"{Path}: tensor {Excerpt.Of(name)}: takes {entry.Bytes} bytes from byte {DataStart + entry.Offset}, "
                    + $"but the file ends at byte {file.Length}: {WrongDownload.Truncated}");
            }

            end = entry.Offset + entry.Bytes;
        }
    }
}
