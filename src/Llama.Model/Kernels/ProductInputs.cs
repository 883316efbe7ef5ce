using Llama.Model.Weights;

namespace Llama.Model.Kernels;

/// <summary>
/// The inputs of matrix products in every form that the weights' types ask for: as they are, and rounded with a scale for 32 or for 256
/// elements.
/// </summary>
internal sealed unsafe class ProductInputs : IDisposable
{
    private readonly RoundedInputs small;
    private readonly RoundedInputs large;

    /// <summary>Makes room.</summary>
    /// <param name="tokens">Most vectors.</param>
    /// <param name="columns">Most elements of a vector.</param>
    public ProductInputs(int tokens, int columns)
    {
        small = new RoundedInputs(32, tokens, columns);
        large = new RoundedInputs(256, tokens, columns);
    }

    /// <summary>The inputs as they are, <c>[tokens, columns]</c>.</summary>
    public float* Values { get; private set; }

    /// <summary>Elements of a vector.</summary>
    public int Columns { get; private set; }

    /// <summary>Whether one of the matrices takes rounded inputs.</summary>
    public bool Rounds { get; private set; }

    private bool RoundsSmall { get; set; }

    private bool RoundsLarge { get; set; }

    /// <summary>Floats of scratch memory that a product needs for a number of vectors.</summary>
    public static int ScratchLength(int tokens) =>
        Math.Max(MatrixProduct.ScratchLength(tokens), BlockProduct.ScratchLength(tokens));

    /// <summary>Says what comes next. Every vector must then be prepared before a product.</summary>
    /// <param name="values">The inputs, <c>[tokens, columns]</c>; they may be written later.</param>
    /// <param name="tokens">How many vectors, or more.</param>
    /// <param name="matrices">All the matrices that they will be multiplied with.</param>
    public void Reset(float* values, int tokens, params ReadOnlySpan<WeightMatrix> matrices)
    {
        Values = values;
        Columns = matrices[0].Columns;
        RoundsSmall = RoundsLarge = false;
        bool pairs = false, quads = false;
        foreach (WeightMatrix matrix in matrices)
        {
            int blockElements = matrix.Type.BlockElements();
            RoundsSmall |= blockElements == small.BlockElements;
            RoundsLarge |= blockElements == large.BlockElements;
            pairs |= BlockProduct.TakesPairs(matrix.Type, tokens);
            quads |= InterleavedRows.AreNeeded(matrix.Type);
        }

        Rounds = RoundsSmall || RoundsLarge;
        if (RoundsSmall) small.Reset(Columns, tokens, pairs, quads);
        if (RoundsLarge) large.Reset(Columns, tokens, pairs, quads);
    }

    /// <summary>Rounds one vector, where a matrix wants that.</summary>
    public void Prepare(int token)
    {
        float* source = Values + ((long)token * Columns);
        if (RoundsSmall) small.Round(token, source);
        if (RoundsLarge) large.Round(token, source);
    }

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> of a matrix with every vector.</summary>
    /// <param name="weights">One of the matrices that were announced.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="tokens">Number of vectors.</param>
    /// <param name="y">Outputs, <c>[tokens, rows]</c>; only the columns of the given rows are written.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats that no other thread uses.</param>
    public void Multiply(WeightMatrix weights, int firstRow, int endRow, int tokens, float* y, float* scratch)
    {
        int blockElements = weights.Type.BlockElements();
        if (blockElements == 1) MatrixProduct.Multiply(weights, firstRow, endRow, Values, tokens, y, scratch);
        else BlockProduct.Multiply(weights, firstRow, endRow, blockElements == small.BlockElements ? small : large, tokens, y, scratch);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        small.Dispose();
        large.Dispose();
    }
}
