using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>A tensor that a GGUF file is to hold.</summary>
/// <param name="Name">GGUF's name.</param>
/// <param name="Type">Stored type.</param>
/// <param name="Shape">Dimensions; the elements of the last one follow each other.</param>
public sealed record GgufTensor(string Name, ElementType Type, IReadOnlyList<int> Shape)
{
    /// <summary>Bytes of all elements.</summary>
    public long Bytes => Type.Bytes(Shape.Aggregate(1L, (product, dimension) => product * dimension));
}

/// <summary>
/// Writes a GGUF file, version 3, from front to back: the header when made, then the tensors in their order, so that no more than a piece
/// of one is ever in memory. The file has its name only once it is complete.
/// </summary>
public sealed class GgufWriter : IDisposable
{
    private const int Alignment = 32;
    private const int BufferBytes = 1 << 20;

    private readonly string path;
    private readonly string unfinished;
    private readonly IReadOnlyList<GgufTensor> tensors;
    private readonly FileStream stream;
    private int current;
    private long left;

    /// <summary>Writes the header.</summary>
    /// <param name="path">Where the file is to be; one that is there is replaced in the end.</param>
    /// <param name="metadata">Keys and values: texts, booleans, 32-bit integers and numbers, and arrays of them.</param>
    /// <param name="tensors">The tensors, in the order in which they will be written.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file must not be written.</exception>
    public GgufWriter(string path, IReadOnlyList<KeyValuePair<string, object>> metadata, IReadOnlyList<GgufTensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        ArgumentNullException.ThrowIfNull(tensors);
        this.path = path;
        this.tensors = tensors;
        unfinished = path + ".unfinished";
        stream = new FileStream(unfinished, FileMode.Create, FileAccess.Write, FileShare.None, BufferBytes);
        stream.Write("GGUF"u8);
        Write(3u);
        Write((ulong)tensors.Count);
        Write((ulong)metadata.Count);
        foreach ((string key, object value) in metadata)
        {
            Write(key);
            WriteValue(value);
        }

        long offset = 0;
        foreach (GgufTensor tensor in tensors)
        {
            Write(tensor.Name);
            Write((uint)tensor.Shape.Count);
            foreach (int dimension in tensor.Shape.Reverse()) Write((ulong)dimension);
            Write((uint)GgufTypes.Code(tensor.Type));
            Write((ulong)offset);
            offset = Align(offset + tensor.Bytes);
        }

        Pad();
        left = tensors.Count > 0 ? tensors[0].Bytes : 0;
    }

    /// <summary>Appends bytes to the tensor that is being written; the next one begins when it is full.</summary>
    /// <exception cref="InvalidOperationException">It has no room for so many, or all tensors are written.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > left) throw new InvalidOperationException($"{bytes.Length} bytes for a tensor that lacks {left}");
        stream.Write(bytes);
        left -= bytes.Length;
        while (left == 0 && current < tensors.Count)
        {
            Pad();
            current++;
            left = current < tensors.Count ? tensors[current].Bytes : 0;
        }
    }

    /// <summary>Gives the file its name.</summary>
    /// <exception cref="InvalidOperationException">Tensors are not written yet.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Complete()
    {
        if (current < tensors.Count) throw new InvalidOperationException($"tensor {tensors[current].Name} lacks {left} bytes");
        stream.Dispose();
        File.Move(unfinished, path, overwrite: true);
    }

    /// <summary>Closes the file; what is not complete is deleted.</summary>
    public void Dispose()
    {
        stream.Dispose();
        File.Delete(unfinished);
    }

    private static long Align(long position) => (position + Alignment - 1) / Alignment * Alignment;

    private void Pad()
    {
        long position = stream.Position;
        Span<byte> zeros = stackalloc byte[Alignment];
        zeros.Clear();
        stream.Write(zeros[..(int)(Align(position) - position)]);
    }

    private void WriteValue(object value)
    {
        switch (value)
        {
            case string text: WriteType(GgufValueType.String); Write(text); break;
            case bool flag: WriteType(GgufValueType.Bool); stream.WriteByte(flag ? (byte)1 : (byte)0); break;
            case int number: WriteType(GgufValueType.UInt32); Write((uint)number); break;
            case float number: WriteType(GgufValueType.Float32); Write(BitConverter.SingleToUInt32Bits(number)); break;
            case string[] texts:
                WriteArray(GgufValueType.String, texts.Length);
                foreach (string text in texts) Write(text);
                break;
            case int[] numbers: WriteArray(GgufValueType.Int32, numbers.Length); stream.Write(MemoryMarshal.AsBytes(numbers.AsSpan())); break;
            case float[] numbers: WriteArray(GgufValueType.Float32, numbers.Length); stream.Write(MemoryMarshal.AsBytes(numbers.AsSpan())); break;
            default: throw new NotSupportedException($"metadata of {value.GetType()}");
        }
    }

    private void WriteArray(GgufValueType itemType, int length)
    {
        WriteType(GgufValueType.Array);
        WriteType(itemType);
        Write((ulong)length);
    }

    private void WriteType(GgufValueType type) => Write((uint)type);

    private void Write(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Write((ulong)bytes.Length);
        stream.Write(bytes);
    }

    private void Write(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private void Write(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }
}
