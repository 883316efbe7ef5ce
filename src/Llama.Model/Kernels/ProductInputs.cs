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
    private Announced announced;

    /// <summary>Makes room.</summary>
    /// <param name="tokens">Most vectors.</param>
    /// <param name="columns">Most elements of a vector.</param>
    public ProductInputs(int tokens, int columns)
    {
        small = new RoundedInputs(32, tokens, columns);
        large = new RoundedInputs(256, tokens, columns);
    }

    /// <summary>The inputs as they are, <c>[tokens, columns]</c>.</summary>
    public float* Values => (float*)announced.Values;

    /// <summary>Elements of a vector.</summary>
    public int Columns => announced.Columns;

    /// <summary>Elements that share a scale in one of the forms that the matrices take; 1 where none takes rounded inputs.</summary>
    public int BlockElements => announced.Large ? large.BlockElements : announced.Small ? small.BlockElements : 1;

    /// <summary>Floats of scratch memory that a product needs for a number of vectors.</summary>
    public static int ScratchLength(int tokens) =>
        Math.Max(MatrixProduct.ScratchLength(tokens), BlockProduct.ScratchLength(tokens));

    /// <summary>Says what comes next. Every vector must then be prepared before a product.</summary>
    /// <param name="values">The inputs, <c>[tokens, columns]</c>; they may be written later.</param>
    /// <param name="tokens">How many vectors, or more.</param>
    /// <param name="matrices">All the matrices that they will be multiplied with.</param>
    public void Reset(float* values, int tokens, params ReadOnlySpan<WeightMatrix> matrices)
    {
        var next = new Announced { Values = (nint)values, Columns = matrices[0].Columns, Tokens = tokens };
        foreach (WeightMatrix matrix in matrices)
        {
            int blockElements = matrix.Type.BlockElements();
            next.Small |= blockElements == small.BlockElements;
            next.Large |= blockElements == large.BlockElements;
            next.Pairs |= BlockProduct.TakesPairs(matrix.Type, tokens);
            next.Quads |= InterleavedRows.AreNeeded(matrix.Type);
        }

        // What is the same from layer to layer is not written again: the other threads have it in their caches.
        if (next == announced) return;
        announced = next;
        if (next.Small) small.Reset(next.Columns, tokens, next.Pairs, next.Quads);
        if (next.Large) large.Reset(next.Columns, tokens, next.Pairs, next.Quads);
    }

    /// <summary>Rounds one vector, where a matrix wants that.</summary>
    public void Prepare(int token) => Prepare(token, 0, Columns);

    /// <summary>Rounds elements of one vector, where a matrix wants that.</summary>
    /// <param name="token">Which vector.</param>
    /// <param name="first">First element, a multiple of <see cref="BlockElements"/>.</param>
    /// <param name="end">The one after the last, such a multiple as well.</param>
    public void Prepare(int token, int first, int end)
    {
        float* source = Values + ((long)token * Columns);
        if (announced.Small) small.Round(token, source, first, end);
        if (announced.Large) large.Round(token, source, first, end);
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

    /// <summary>What was announced.</summary>
    private record struct Announced
    {
        public nint Values;
        public int Columns;
        public int Tokens;
        public bool Small;
        public bool Large;
        public bool Pairs;
        public bool Quads;
    }
}
