using Llama.Model.Weights;

namespace Llama.Model.Kernels;

/// <summary>
/// How eight interleaved rows of numbers lie: two tiles of four rows, and in a tile the first eight numbers of each row, then the next
/// eight: four chains of additions read one stream of addresses. Rows are whole vectors.
/// </summary>
internal static unsafe class VectorRows
{
    private const int TileRows = MatrixProduct.TileRows;

    /// <summary>Bytes from one vector of a row to the next.</summary>
    public static nint Step(ElementType type) => TileRows * VectorBytes(type);

    /// <summary>Lays out up to eight rows; see <see cref="InterleavedRows.LayOut"/>.</summary>
    public static void LayOut(byte** rows, int count, WeightMatrix matrix, byte* target)
    {
        int bytes = VectorBytes(matrix.Type), vectors = matrix.Columns / Lanes.Count;
        for (int r = 0; r < count; r++)
        {
            byte* place = target + (r / TileRows * TileRows * (long)vectors * bytes) + (r % TileRows * bytes);
            for (int v = 0; v < vectors; v++, place += TileRows * bytes) Buffer.MemoryCopy(rows[r] + ((long)v * bytes), place, bytes, bytes);
        }
    }

    /// <summary>The first vectors of the four rows of a tile.</summary>
    /// <param name="weights">The matrix, interleaved.</param>
    /// <param name="row">The tile's first row, a multiple of four.</param>
    /// <param name="target">Receives four addresses.</param>
    public static void ListTile(WeightMatrix weights, int row, byte** target)
    {
        int bytes = VectorBytes(weights.Type), tile = row % Lanes.Count / TileRows;
        byte* first = weights.Group(row) + (tile * TileRows * weights.Type.Bytes(weights.Columns));
        for (int r = 0; r < TileRows; r++) target[r] = first + (r * bytes);
    }

    private static int VectorBytes(ElementType type) => (int)type.Bytes(Lanes.Count);
}
