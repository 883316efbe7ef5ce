using System.Runtime.InteropServices;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Kernels;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints;

/// <summary>
/// A checkpoint whose matrices are rounded to another type when they are opened (<c>--weights</c>), into memory of its own. The bytes are
/// those that <see cref="GgufConverter"/> writes. What was read of the files for a matrix is given back once it is rounded.
/// </summary>
internal sealed unsafe class QuantizedCheckpoint : Checkpoint
{
    private readonly FileCheckpoint source;
    private readonly WeightMix mix;
    private readonly int threads;
    private readonly Dictionary<string, WeightMatrix> matrices = new(StringComparer.Ordinal);
    private readonly List<nint> allocations = [];
    private bool disposed;

    private QuantizedCheckpoint(FileCheckpoint source, WeightMix mix, int threads)
    {
        this.source = source;
        this.mix = mix;
        this.threads = threads;
    }

    /// <summary>A checkpoint of the type asked for; the source itself where it is stored in it already.</summary>
    /// <param name="source">The checkpoint as it is stored; belongs to the result.</param>
    /// <param name="mix">The types asked for.</param>
    /// <param name="threads">Threads to round on.</param>
    /// <exception cref="CheckpointException">It is quantised already, to another type.</exception>
    public static Checkpoint Of(FileCheckpoint source, WeightMix mix, int threads)
    {
        if (source.WeightType.BlockElements() > 1)
        {
            return source.WeightType == mix.Type ? source : throw new CheckpointException(
                $"{source.Path}: the weights are stored as {source.WeightName} and are not rounded a second time, to {mix.Name}: "
                + "leave --weights out, or use a checkpoint of F32, F16 or BF16");
        }

        return new QuantizedCheckpoint(source, mix, threads)
        {
            Path = source.Path,
            Config = source.Config with { RotaryLayout = RotaryLayout.AdjacentPairs },
            Assumptions = source.Assumptions,
            WeightType = mix.Type,
            WeightName = GgufTypes.OfFile(GgufTypes.FileType(mix))?.Name,
        };
    }

    /// <inheritdoc/>
    public override WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        name = StoredName(name);
        if (!matrices.TryGetValue(name, out WeightMatrix? matrix)) matrices.Add(name, matrix = Round(source.OpenMatrix(name, rows, columns)));
        return matrix;
    }

    /// <inheritdoc/>
    internal override byte[] ReadRow(string name, int rows, int columns, int row)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        var rounding = new RowRounding(source.OpenMatrix(StoredName(name), rows, columns), mix, source.Config);
        byte[] bytes = new byte[rounding.RowBytes];
        fixed (byte* target = bytes) rounding.Write(row, 1, target, 1, CancellationToken.None);
        return bytes;
    }

    /// <inheritdoc/>
    internal override void Release(string name)
    {
        if (!matrices.Remove(name, out WeightMatrix? matrix)) return;
        nint memory = (nint)matrix.Row(0);
        if (allocations.Remove(memory)) NativeMemory.AlignedFree((void*)memory);
    }

    /// <inheritdoc/>
    public override float[] ReadVector(string name, int length) => RowRounding.ReadVector(source, name, length);

    /// <inheritdoc/>
    internal override bool MayHaveBias(string name) => source.MayHaveBias(name);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposed) return;
        disposed = true;
        if (disposing) source.Dispose();
        foreach (nint allocation in allocations) NativeMemory.AlignedFree((void*)allocation);
    }

    private WeightMatrix Round(WeightMatrix matrix)
    {
        var rounding = new RowRounding(matrix, mix, source.Config);
        if (rounding.ChangesNothing) return matrix;
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)(rounding.RowBytes * matrix.Rows), 64);
        allocations.Add((nint)memory);
        MemoryPages.AskForHuge((nint)memory, rounding.RowBytes * matrix.Rows);
        rounding.Write(0, matrix.Rows, memory, threads, CancellationToken.None);
        source.Release(matrix.Name);
        return new WeightMatrix(matrix.Name, rounding.Type, matrix.Rows, matrix.Columns, (nint)memory);
    }
}
