using System.Globalization;
using System.Runtime.InteropServices;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>
/// The metadata of a GGUF file. Only the keys and the places of their values are kept; each getter reads its value, returns null for a
/// key that is absent, and throws a message with file, key, place, what was found and what was expected for one of another kind.
/// </summary>
internal sealed class GgufMetadata
{
    private const int MostKeys = 1 << 16;
    private const int LongestKey = 256;
    private const int LongestText = 1 << 20;

    // Key length, key of a character, type and a value of a byte.
    private const int LeastBytes = 8 + 1 + 4 + 1;

    private readonly MappedFile file;
    private readonly Dictionary<string, Value> values = new(StringComparer.Ordinal);

    private readonly record struct Value(GgufValueType Type, GgufValueType ItemType, int Count, long Position);

    /// <summary>Reads the keys.</summary>
    /// <param name="file">The file; stays open as long as values are read.</param>
    /// <param name="cursor">Where they begin; afterwards where they end.</param>
    /// <param name="count">How many there are.</param>
    /// <exception cref="CheckpointException">They are damaged.</exception>
    public GgufMetadata(MappedFile file, GgufCursor cursor, long count)
    {
        this.file = file;
        long most = Math.Min(MostKeys, cursor.Left / LeastBytes);
        if (count > most) throw cursor.Fault(cursor.Position, $"found {count} metadata keys, expected at most {most} in what is left of the file");
        for (long i = 0; i < count; i++)
        {
            long at = cursor.Position;
            string key = cursor.Text($"metadata key {i}", LongestKey);
            if (!values.TryAdd(key, ReadPlace(cursor, key))) throw cursor.Fault(at, $"found the metadata key {Excerpt.Of(key)} again");
        }
    }

    /// <summary>The file's path.</summary>
    public string Path => file.Path;

    /// <summary>All keys.</summary>
    public IReadOnlyCollection<string> Keys => values.Keys;

    /// <summary>Whether a key is there.</summary>
    public bool Has(string key) => values.ContainsKey(key);

    /// <summary>A whole number from <paramref name="least"/> to <paramref name="most"/>, stored in any type of integer.</summary>
    public int? Whole(string key, int least, int most)
    {
        if (Find(key) is not { } value) return null;
        return OneOrAll(value) is { } number && number >= least && number <= most
            ? (int)number
            : throw Wrong(key, value, $"a whole number from {least} to {most}");
    }

    // Some converters write one number a layer; here all layers are alike.
    private Int128? OneOrAll(Value value)
    {
        if (value.Type != GgufValueType.Array || value.Count == 0 || value.ItemType is GgufValueType.String) return Integer(value);
        int bytes = Size(value.ItemType);
        Int128? first = Integer(value with { Type = value.ItemType });
        for (int i = 1; i < value.Count; i++)
        {
            if (Integer(value with { Type = value.ItemType, Position = value.Position + ((long)i * bytes) }) != first) return null;
        }

        return first;
    }

    /// <summary>A token's id; null where it lies outside the vocabulary, as -1 does in files that mean none.</summary>
    public int? Token(string key, int vocabSize)
    {
        if (Find(key) is not { } value) return null;
        Int128 number = Integer(value) ?? throw Wrong(key, value, "a token of the vocabulary");
        return number >= 0 && number < vocabSize ? (int)number : null;
    }

    /// <summary>A number above 0 and at most <paramref name="most"/>.</summary>
    public double? Positive(string key, double most)
    {
        if (Find(key) is not { } value) return null;
        return Number(value) is { } number && (float)number > 0 && number <= most
            ? number
            : throw Wrong(key, value, $"a number above 0 and at most {most}");
    }

    /// <summary>A number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public double? Number(string key, double least, double most)
    {
        if (Find(key) is not { } value) return null;
        return Number(value) is { } number && number >= least && number <= most
            ? number
            : throw Wrong(key, value, $"a number from {least} to {most}");
    }

    /// <summary>True or false.</summary>
    public bool? Flag(string key)
    {
        if (Find(key) is not { } value) return null;
        return value.Type == GgufValueType.Bool && Bytes(value, 1)[0] is var stored and <= 1 ? stored == 1 : throw Wrong(key, value, "true or false");
    }

    /// <summary>A text.</summary>
    public string? Text(string key)
    {
        if (Find(key) is not { } value) return null;
        return value.Type == GgufValueType.String
            ? new GgufCursor(file, value.Position).Text(key, LongestText)
            : throw Wrong(key, value, "a text");
    }

    /// <summary>How many items an array has.</summary>
    public int? Count(string key)
    {
        if (Find(key) is not { } value) return null;
        return value.Type == GgufValueType.Array ? value.Count : throw Wrong(key, value, "an array");
    }

    /// <summary>An array of at most <paramref name="most"/> texts.</summary>
    public string[]? Texts(string key, int most, int longest)
    {
        if (Find(key) is not { } value) return null;
        CheckItems(key, value, GgufValueType.String, most, "texts");
        return new GgufCursor(file, value.Position).Texts(key, value.Count, longest);
    }

    /// <summary>An array of at most <paramref name="most"/> single-precision numbers.</summary>
    public float[]? Floats(string key, int most)
    {
        if (Find(key) is not { } value) return null;
        CheckItems(key, value, GgufValueType.Float32, most, "32-bit numbers");
        return MemoryMarshal.Cast<byte, float>(Bytes(value, value.Count * sizeof(float))).ToArray();
    }

    /// <summary>An array of at most <paramref name="most"/> 32-bit integers.</summary>
    public int[]? Integers(string key, int most)
    {
        if (Find(key) is not { } value) return null;
        CheckItems(key, value, value.ItemType == GgufValueType.UInt32 ? GgufValueType.UInt32 : GgufValueType.Int32, most, "32-bit integers");
        return MemoryMarshal.Cast<byte, int>(Bytes(value, value.Count * sizeof(int))).ToArray();
    }

    /// <summary>The error for a key that must be there and is not.</summary>
    public CheckpointException Missing(string key) => new($"{Path}: {key}: not there, expected a value");

    /// <summary>The error for a key whose value cannot be used.</summary>
    public CheckpointException Wrong(string key, string expected) =>
        Find(key) is { } value ? Wrong(key, value, expected) : new($"{Path}: {key}: not there, expected {expected}");

    private static Value ReadPlace(GgufCursor cursor, string key)
    {
        string what = $"the value of {Excerpt.Of(key)}";
        GgufValueType type = ReadType(cursor, what);
        if (type == GgufValueType.String)
        {
            long at = cursor.Position;
            cursor.SkipTexts(what, 1);
            return new Value(type, default, 0, at);
        }

        if (type != GgufValueType.Array)
        {
            var value = new Value(type, default, 0, cursor.Position);
            cursor.Skip(Size(type), what);
            return value;
        }

        long typeAt = cursor.Position;
        GgufValueType itemType = ReadType(cursor, what);
        if (itemType == GgufValueType.Array) throw cursor.Fault(typeAt, $"{what} is an array of arrays, expected one of plain values");
        int itemBytes = itemType == GgufValueType.String ? 8 : Size(itemType);
        int count = (int)cursor.UInt64($"the length of {what}", Math.Min(int.MaxValue, cursor.Left / itemBytes));
        var array = new Value(type, itemType, count, cursor.Position);
        if (itemType == GgufValueType.String)
        {
            cursor.SkipTexts(what, count);
        }
        else
        {
            cursor.Skip((long)count * itemBytes, what);
        }

        return array;
    }

    private static GgufValueType ReadType(GgufCursor cursor, string what)
    {
        long at = cursor.Position;
        uint type = cursor.UInt32($"the type of {what}");
        return type <= (uint)GgufValueType.Float64
            ? (GgufValueType)type
            : throw cursor.Fault(at, $"{what} has type {type}, expected 0 to {(int)GgufValueType.Float64}");
    }

    private static int Size(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        _ => 8,
    };

    private Value? Find(string key) => values.TryGetValue(key, out Value value) ? value : null;

    private ReadOnlySpan<byte> Bytes(Value value, int length) => file.Span(value.Position, length, "a metadata value");

    private Int128? Integer(Value value) => value.Type switch
    {
        GgufValueType.UInt8 => Bytes(value, 1)[0],
        GgufValueType.Int8 => (sbyte)Bytes(value, 1)[0],
        GgufValueType.UInt16 => MemoryMarshal.Read<ushort>(Bytes(value, 2)),
        GgufValueType.Int16 => MemoryMarshal.Read<short>(Bytes(value, 2)),
        GgufValueType.UInt32 => MemoryMarshal.Read<uint>(Bytes(value, 4)),
        GgufValueType.Int32 => MemoryMarshal.Read<int>(Bytes(value, 4)),
        GgufValueType.UInt64 => MemoryMarshal.Read<ulong>(Bytes(value, 8)),
        GgufValueType.Int64 => MemoryMarshal.Read<long>(Bytes(value, 8)),
        _ => null,
    };

    private double? Number(Value value) => value.Type switch
    {
        GgufValueType.Float32 => MemoryMarshal.Read<float>(Bytes(value, 4)),
        GgufValueType.Float64 => MemoryMarshal.Read<double>(Bytes(value, 8)),
        _ => (double?)Integer(value),
    };

    private void CheckItems(string key, Value value, GgufValueType type, int most, string items)
    {
        if (value.Type != GgufValueType.Array || value.ItemType != type || value.Count > most)
            throw Wrong(key, value, $"an array of at most {most} {items}");
    }

    private CheckpointException Wrong(string key, Value value, string expected)
    {
        string found = value.Type switch
        {
            GgufValueType.Array => $"an array of {value.Count} {value.ItemType}",
            GgufValueType.String => $"'{Excerpt.Of(new GgufCursor(file, value.Position).Text(key, LongestText))}'",
            GgufValueType.Bool => Bytes(value, 1)[0] == 1 ? "true" : "false",
            _ => Number(value)!.Value.ToString("R", CultureInfo.InvariantCulture),
        };
        return new CheckpointException($"{Path}: at byte {value.Position}: {key}: found {found}, expected {expected}");
    }
}
