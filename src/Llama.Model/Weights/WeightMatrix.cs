using Llama.Model.Kernels;

namespace Llama.Model.Weights;

/// <summary>
/// A matrix <c>[rows, columns]</c> of weights in their stored type, in memory that its checkpoint owns and keeps mapped until it is
/// disposed of. The rows of model-parallel shards lie in several files: a matrix is one or more runs of rows, equally many in each.
/// A matrix made for products may instead have eight rows interleaved (<see cref="InterleavedRows"/>), and then no row of its own.
/// </summary>
public sealed unsafe class WeightMatrix
{
    private readonly byte*[] runs;
    private readonly int rowsPerRun;
    private readonly long rowBytes;
    private readonly WeightMemory.Piece? memory;
    private readonly long groupBytes;

    /// <summary>Describes a matrix over memory owned by someone else.</summary>
    /// <param name="name">The tensor's name in Meta's files, for messages.</param>
    /// <param name="type">Stored type.</param>
    /// <param name="rows">Rows in all.</param>
    /// <param name="columns">Elements of a row.</param>
    /// <param name="runs">Start of each run of rows; each holds <c>rows / runs.Length</c> consecutive rows.</param>
    /// <exception cref="ArgumentException">The runs do not divide the rows.</exception>
    public WeightMatrix(string name, ElementType type, int rows, int columns, params ReadOnlySpan<nint> runs)
    {
        if (runs.Length == 0 || rows % runs.Length != 0)
            throw new ArgumentException($"{rows} rows in {runs.Length} runs", nameof(runs));
        Name = name;
        Type = type;
        Rows = rows;
        Columns = columns;
        this.runs = new byte*[runs.Length];
        for (int i = 0; i < runs.Length; i++) this.runs[i] = (byte*)runs[i];
        rowsPerRun = rows / runs.Length;
        rowBytes = type.Bytes(columns);
    }

    /// <summary>Describes a matrix in memory of its own.</summary>
    /// <param name="name">The tensor's name in Meta's files, for messages.</param>
    /// <param name="type">Stored type.</param>
    /// <param name="rows">Rows in all.</param>
    /// <param name="columns">Elements of a row.</param>
    /// <param name="memory">The rows, or the groups of eight interleaved rows; kept as long as the matrix.</param>
    /// <param name="groupBytes">Bytes of a group; 0 if rows follow each other.</param>
    internal WeightMatrix(string name, ElementType type, int rows, int columns, WeightMemory.Piece memory, long groupBytes)
        : this(name, type, rows, columns, (nint)memory.Pointer)
    {
        this.memory = memory;
        this.groupBytes = groupBytes;
        if (groupBytes == 0) return;
        runs = [];
        rowBytes = groupBytes / Lanes.Count;
    }

    /// <summary>The tensor's name in Meta's files.</summary>
    public string Name { get; }

    /// <summary>Stored type of the elements.</summary>
    public ElementType Type { get; }

    /// <summary>Rows: the outputs of a product with this matrix.</summary>
    public int Rows { get; }

    /// <summary>Columns: the inputs of a product with this matrix.</summary>
    public int Columns { get; }

    /// <summary>Bytes of all rows.</summary>
    public long Bytes => rowBytes * Rows;

    /// <summary>First byte of row <paramref name="row"/>; its elements follow each other.</summary>
    public byte* Row(int row) => runs[row / rowsPerRun] + (row % rowsPerRun * rowBytes);

    /// <summary>Whether rows are interleaved.</summary>
    internal bool IsInterleaved => groupBytes > 0;

    /// <summary>Whether the rows lie in a mapped file.</summary>
    internal bool IsMapped { get; init; }

    /// <summary>Takes the pages of a mapped file out of memory; they are there again when they are touched.</summary>
    internal void DropPages()
    {
        foreach (byte* run in runs) MemoryPages.Drop((nint)run, rowsPerRun * rowBytes);
    }

    /// <summary>First byte of the eight interleaved rows from <paramref name="row"/> on, a multiple of eight.</summary>
    internal byte* Group(int row) => memory!.Pointer + (row / Lanes.Count * groupBytes);

    /// <summary>First bytes of consecutive rows, with one division for all of them: eight short rows are multiplied in the time of a few.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="target">Receives them.</param>
    /// <param name="places">How many are wanted: those beyond <paramref name="count"/> repeat the last.</param>
    internal void ListRows(int first, int count, byte** target, int places)
    {
        int run = first / rowsPerRun, place = first % rowsPerRun;
        byte* row = runs[run] + (place * rowBytes);
        for (int i = 0; i < places; i++)
        {
            target[i] = row;
            if (i >= count - 1) continue;
            row += rowBytes;
            if (++place < rowsPerRun) continue;
            place = 0;
            row = runs[++run];
        }
    }
}
