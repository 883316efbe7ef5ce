using Llama.Model.Kernels;
using Llama.Model.Machine;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>
/// A matrix that products are made with. It begins where the checkpoint has it, so that a mapped file serves at once, and is copied some
/// rows at a time, when there is time for it, into memory of its own: interleaved where kernels want that, and on huge pages, which
/// few file systems have for files. The bits of products are the same before and after.
/// </summary>
internal sealed unsafe class ProductMatrix : IDisposable
{
    private readonly bool interleaves;
    private readonly long groupBytes;
    private readonly int groups;
    private readonly WeightMemory memory;
    private WeightMemory.Piece? copy;
    private int groupsDone;

    /// <summary>Begins with the matrix as the checkpoint has it.</summary>
    /// <param name="stored">The matrix.</param>
    /// <param name="bias">What is added to every product, <c>[rows]</c>; null for nothing.</param>
    /// <param name="memory">Where the copy will lie.</param>
    public ProductMatrix(WeightMatrix stored, float[]? bias, WeightMemory memory)
    {
        this.memory = memory;
        Matrix = stored;
        Bias = bias;
        groups = (stored.Rows + Lanes.Count - 1) / Lanes.Count;
        interleaves = InterleavedRows.Serve(stored.Type, stored.Columns);
        groupBytes = interleaves
            ? InterleavedRows.GroupBytes(stored.Type, stored.Columns)
            : Lanes.Count * stored.Type.Bytes(stored.Columns);
        IsRepacked = !stored.IsMapped && !interleaves;
    }

    /// <summary>What products take.</summary>
    public WeightMatrix Matrix { get; private set; }

    /// <summary>What is added to every product once it is summed, <c>[rows]</c>; null for nothing.</summary>
    public float[]? Bias { get; }

    /// <summary>Whether there is nothing left to copy.</summary>
    public bool IsRepacked { get; private set; }

    /// <summary>Copies some more rows. Nobody else may use the matrix or the pool at the same time.</summary>
    /// <param name="pool">Its threads copy.</param>
    /// <param name="bytes">About how many bytes.</param>
    public void Repack(WorkerPool pool, long bytes)
    {
        copy ??= MakeRoom();
        if (IsRepacked) return;
        int count = (int)Math.Min(Math.Max(bytes / groupBytes, pool.ThreadCount), groups - groupsDone);
        pool.Run((part, parts) =>
        {
            (int first, int end) = WorkerPool.Share(count, part, parts);
            for (int group = groupsDone + first; group < groupsDone + end; group++) Copy(group);
        });
        groupsDone += count;
        if (groupsDone < groups) return;
        WeightMatrix stored = Matrix;
        Matrix = new WeightMatrix(
            stored.Name, stored.Type, stored.Rows, stored.Columns, copy!, interleaves ? groupBytes : 0);
        IsRepacked = true;
        if (stored.IsMapped) stored.DropPages();
    }

    /// <inheritdoc/>
    public void Dispose() => copy?.Dispose();

    /// <summary>Memory for the copy; none where the system is short of it and the matrix can be used where it lies.</summary>
    private WeightMemory.Piece? MakeRoom()
    {
        bool needed = InterleavedRows.AreNeeded(Matrix.Type);
        try
        {
            if (needed || MachineMemory.HasRoom(groups * groupBytes)) return memory.Take(groups * groupBytes);
        }
        catch (OutOfMemoryException) when (!needed)
        {
            // A limit that the system does not tell beforehand, as of the address space.
        }

        IsRepacked = true;
        return null;
    }

    private void Copy(int group)
    {
        byte* target = copy!.Pointer + (group * groupBytes);
        if (interleaves)
        {
            InterleavedRows.LayOut(Matrix, group, target);
            return;
        }

        long rowBytes = groupBytes / Lanes.Count;
        for (int row = group * Lanes.Count; row < Math.Min((group + 1) * Lanes.Count, Matrix.Rows); row++, target += rowBytes)
            Buffer.MemoryCopy(Matrix.Row(row), target, rowBytes, rowBytes);
    }
}
