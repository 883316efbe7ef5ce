using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Kernels;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Checkpoints;

/// <summary>
/// A matrix as a GGUF file of some type has it: its rows rounded to that type, or to what it falls back to, and those of queries and keys
/// ordered as <see cref="RotaryLayout.AdjacentPairs"/>, and so are their biases. Files are converted and weights are quantised at load by this one path, so that
/// both have the same bytes.
/// </summary>
internal sealed unsafe class RowRounding
{
    private readonly WeightMatrix source;
    private readonly int headDim;
    private readonly bool reorders;

    /// <summary>Describes the rounding of a matrix.</summary>
    /// <param name="source">The matrix.</param>
    /// <param name="wanted">The types asked for; see <see cref="GgufLayout.TypeFor"/>.</param>
    /// <param name="config">The model that the matrix is of.</param>
    public RowRounding(WeightMatrix source, WeightMix wanted, ModelConfig config)
    {
        this.source = source;
        headDim = config.HeadDim;
        reorders = Reorders(source.Name, config);
        Type = GgufLayout.TypeFor(wanted.TypeOf(source.Name, config), source.Columns);
    }

    /// <summary>The type of the rounded rows.</summary>
    public ElementType Type { get; }

    /// <summary>Bytes of a rounded row.</summary>
    public long RowBytes => Type.Bytes(source.Columns);

    /// <summary>Whether the matrix already is what it would be rounded to.</summary>
    public bool ChangesNothing => Type == source.Type && !reorders;

    /// <summary>Reads a vector as a GGUF file has it: in single precision, and biases of queries and keys in the order of their rows.</summary>
    /// <param name="checkpoint">Has the vector.</param>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <param name="length">Elements that the configuration asks for.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off, or of another shape or type.</exception>
    public static float[] ReadVector(FileCheckpoint checkpoint, string name, int length)
    {
        float[] vector = checkpoint.ReadVector(name, length);
        return Reorders(name, checkpoint.Config)
            ? [.. Enumerable.Range(0, length).Select(row => vector[HalvesRow(row, checkpoint.Config.HeadDim)])]
            : vector;
    }

    /// <summary>Writes rounded rows.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="count">How many.</param>
    /// <param name="target">Receives <c>count × RowBytes</c> bytes.</param>
    /// <param name="threads">Threads to work on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public void Write(int first, int count, byte* target, int threads, CancellationToken cancellationToken)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellationToken };
        Parallel.For(0, count, options, () => new float[source.Columns], (i, _, row) =>
        {
            fixed (float* values = row)
            {
                MatrixProduct.ReadRow(source, reorders ? HalvesRow(first + i, headDim) : first + i, values);
                RowQuantizer.Quantize(Type, values, target + (i * RowBytes), source.Columns);
            }

            return row;
        }, _ => { });
    }

    /// <summary>Where <see cref="RotaryLayout.Halves"/> has what lies in a row of <see cref="RotaryLayout.AdjacentPairs"/>.</summary>
    private static int HalvesRow(int row, int headDim)
    {
        (int head, int element) = Math.DivRem(row, headDim);
        return (head * headDim) + (element / 2) + (element % 2 * (headDim / 2));
    }

    private static bool Reorders(string name, ModelConfig config) =>
        config.RotaryLayout == RotaryLayout.Halves && TensorNames.IsRotated(name);
}
