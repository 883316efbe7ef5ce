using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama.Model.Checkpoints.Files;
using Llama.Model.Checkpoints.HuggingFace;
using Llama.Model.Kernels;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Checkpoints;

/// <summary>
/// A checkpoint whose tensors lie in mapped files, each whole or split over shards of equal shape. Tensors whole or split by rows are
/// used where they lie; those split by columns are joined in memory of our own, in their stored type.
/// </summary>
internal abstract unsafe class FileCheckpoint : Checkpoint
{
    private readonly Dictionary<string, WeightMatrix> joined = new(StringComparer.Ordinal);
    private readonly List<nint> allocations = [];
    private bool disposed;

    /// <inheritdoc/>
    public override WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        name = StoredName(name);
        if (FindFp8(name, rows, columns) is { } encoded)
        {
            if (!joined.TryGetValue(name, out WeightMatrix? decoded)) joined.Add(name, decoded = Decode(name, encoded, rows, columns));
            return decoded;
        }

        IReadOnlyList<StoredTensor> parts = FindAlike(name);
        int shards = parts.Count;
        ElementType type = parts[0].Type;
        ReadOnlySpan<long> shape = parts[0].Shape;
        if (rows % shards == 0 && shape.SequenceEqual([rows / shards, columns]))
            return new WeightMatrix(name, type, rows, columns, [.. parts.Select(part => part.Data)]) { IsMapped = true };
        if (columns % shards == 0 && shape.SequenceEqual([rows, columns / shards]))
        {
            if (!joined.TryGetValue(name, out WeightMatrix? matrix)) joined.Add(name, matrix = JoinColumns(name, parts, rows, columns));
            return matrix;
        }

        string split = shards == 1 ? "" : $" in all, split over {shards} shards by rows or columns";
        throw WrongShape(parts[0], $"{StoredTensor.Text(rows, columns)}{split}");
    }

    /// <inheritdoc/>
    internal override byte[] ReadRow(string name, int rows, int columns, int row)
    {
        if (FindFp8(StoredName(name), rows, columns) is { } encoded)
        {
            byte[] decoded = new byte[encoded.RowBytes];
            fixed (byte* target = decoded) encoded.Decode(row, 1, target);
            return decoded;
        }

        WeightMatrix matrix = OpenMatrix(name, rows, columns);
        return new ReadOnlySpan<byte>(matrix.Row(row), (int)matrix.Type.Bytes(columns)).ToArray();
    }

    /// <inheritdoc/>
    internal override void Release(string name)
    {
        if (joined.Remove(name, out WeightMatrix? matrix))
        {
            nint memory = (nint)matrix.Row(0);
            allocations.Remove(memory);
            NativeMemory.AlignedFree((void*)memory);
        }

        foreach (StoredTensor part in Find(name)) MemoryPages.Drop(part.Data, part.DataBytes);
    }

    /// <inheritdoc/>
    public override float[] ReadVector(string name, int length)
    {
        ObjectDisposedException.ThrowIf(disposed, this);

        // Every shard holds the whole vector.
        StoredTensor part = FindAlike(name)[0];
        if (part.Shape is not [var found] || found != length) throw WrongShape(part, $"[{length}]");
        return ReadSingles(part);
    }

    /// <summary>Files whose headers must be there whichever layers are used; none where any file may be missing.</summary>
    internal virtual IReadOnlyList<string> HeaderFiles => [];

    /// <summary>The tensors that a range of layers needs, as <see cref="ModelTensors"/> orders them, and the biases that there are.</summary>
    /// <param name="first">First layer.</param>
    /// <param name="end">The layer after the last.</param>
    internal IEnumerable<ModelTensor> Tensors(int first, int end) => ModelTensors.Of(Config, first, end, MayHaveBias);

    /// <summary>Where a tensor lies, whether its bytes are on this machine or not.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off or damaged.</exception>
    internal IReadOnlyList<StoredTensor> Locate(string name) => Find(StoredName(name));

    /// <summary>Where a tensor lies whose bytes must be on this machine.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off or damaged, or was not copied.</exception>
    internal IReadOnlyList<StoredTensor> LocateHere(string name)
    {
        IReadOnlyList<StoredTensor> parts = Locate(name);
        return parts.FirstOrDefault(part => !part.IsHere) is not { } absent ? parts : throw new CheckpointException(
            $"{absent.File}: tensor {absent.Name} was not copied to this machine, but only the layers that {CopiedRanges.PathOf(absent.File)} lists");
    }

    /// <summary>The parts of a tensor, one a shard; a single one where it is not split.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off or damaged.</exception>
    protected abstract IReadOnlyList<StoredTensor> Find(string name);

    /// <summary>A matrix that is stored in eight-bit floats; null for one that is not.</summary>
    /// <exception cref="CheckpointException">The tensor, its scales or their file are missing, cut off or damaged, or of another shape.</exception>
    private protected virtual Fp8Weights? FindFp8(string name, int rows, int columns) => null;

    /// <summary>Unmaps the files.</summary>
    protected abstract void CloseFiles();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposed) return;
        disposed = true;
        if (disposing) CloseFiles();
        foreach (nint allocation in allocations) NativeMemory.AlignedFree((void*)allocation);
    }

    /// <summary>Copies a vector, or all of a small tensor, as single-precision numbers.</summary>
    /// <exception cref="CheckpointException">It is stored in blocks.</exception>
    private protected static float[] ReadSingles(StoredTensor part)
    {
        int length = checked((int)part.Elements);
        float[] vector = new float[length];
        switch (part.Type)
        {
            case ElementType.F32:
                new ReadOnlySpan<byte>((void*)part.Data, length * sizeof(float)).CopyTo(MemoryMarshal.AsBytes(vector.AsSpan()));
                break;
            case ElementType.F16:
                for (int i = 0; i < length; i++) vector[i] = HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>((byte*)part.Data + (2L * i)));
                break;
            case ElementType.BF16:
                for (int i = 0; i < length; i++)
                    vector[i] = BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>((byte*)part.Data + (2L * i)) << 16);
                break;
            default:
                throw new CheckpointException($"{part.File}: tensor {part.Name}: found type {part.TypeName}, expected F32, F16 or BF16");
        }

        return vector;
    }

    private IReadOnlyList<StoredTensor> FindAlike(string name)
    {
        IReadOnlyList<StoredTensor> parts = LocateHere(name);
        StoredTensor first = parts[0];
        foreach (StoredTensor part in parts)
        {
            if (part.TypeName != first.TypeName || !part.Shape.AsSpan().SequenceEqual(first.Shape))
            {
                throw new CheckpointException(
                    $"{part.File}: tensor {name}: found {part.TypeName} {StoredTensor.Text(part.Shape)}, "
                    + $"expected {first.TypeName} {StoredTensor.Text(first.Shape)} as in {System.IO.Path.GetFileName(first.File)}");
            }
        }

        return parts;
    }

    private WeightMatrix JoinColumns(string name, IReadOnlyList<StoredTensor> parts, int rows, int columns)
    {
        ElementType type = parts[0].Type;
        long rowBytes = type.Bytes(columns), partBytes = rowBytes / parts.Count;
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)(rowBytes * rows), 64);
        allocations.Add((nint)memory);
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < parts.Count; i++)
            {
                byte* source = (byte*)parts[i].Data + (row * partBytes), target = memory + (row * rowBytes) + (i * partBytes);
                Buffer.MemoryCopy(source, target, partBytes, partBytes);
            }
        }

        return new WeightMatrix(name, type, rows, columns, (nint)memory);
    }

    /// <summary>Decodes into memory of our own; of the file nothing stays there.</summary>
    private WeightMatrix Decode(string name, Fp8Weights encoded, int rows, int columns)
    {
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)(encoded.RowBytes * rows), 64);
        allocations.Add((nint)memory);
        MemoryPages.AskForHuge((nint)memory, encoded.RowBytes * rows);
        encoded.Decode(0, rows, memory);
        foreach (StoredTensor part in Find(name)) MemoryPages.Drop(part.Data, part.DataBytes);
        return new WeightMatrix(name, encoded.Type, rows, columns, (nint)memory);
    }

    private static CheckpointException WrongShape(StoredTensor part, string expected) =>
        new($"{part.File}: tensor {part.Name}: found {StoredTensor.Text(part.Shape)}, expected {expected}");
}
