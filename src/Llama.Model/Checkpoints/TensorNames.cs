using System.Globalization;

namespace Llama.Model.Checkpoints;

/// <summary>The names of a model's tensors as Meta's files have them; every other format is mapped to these.</summary>
public static class TensorNames
{
    private const string Weight = ".weight";
    private const string BiasSuffix = ".bias";

    /// <summary>The embedding, <c>[vocabSize, dim]</c>.</summary>
    public const string TokenEmbeddings = "tok_embeddings.weight";

    /// <summary>Weights of the last RMSNorm, <c>[dim]</c>.</summary>
    public const string Norm = "norm.weight";

    /// <summary>The output head, <c>[vocabSize, dim]</c>; absent when the embeddings are tied.</summary>
    public const string Output = "output.weight";

    /// <summary>Queries, <c>[heads × headDim, dim]</c>.</summary>
    public static string Wq(int layer) => Layer(layer, "attention.wq");

    /// <summary>Keys, <c>[kvHeads × headDim, dim]</c>.</summary>
    public static string Wk(int layer) => Layer(layer, "attention.wk");

    /// <summary>Values, <c>[kvHeads × headDim, dim]</c>.</summary>
    public static string Wv(int layer) => Layer(layer, "attention.wv");

    /// <summary>Attention output, <c>[dim, heads × headDim]</c>.</summary>
    public static string Wo(int layer) => Layer(layer, "attention.wo");

    /// <summary>Feed-forward gate, <c>[hiddenDim, dim]</c>.</summary>
    public static string W1(int layer) => Layer(layer, "feed_forward.w1");

    /// <summary>Feed-forward down, <c>[dim, hiddenDim]</c>.</summary>
    public static string W2(int layer) => Layer(layer, "feed_forward.w2");

    /// <summary>Feed-forward up, <c>[hiddenDim, dim]</c>.</summary>
    public static string W3(int layer) => Layer(layer, "feed_forward.w3");

    /// <summary>Weights of the RMSNorm before attention, <c>[dim]</c>.</summary>
    public static string AttentionNorm(int layer) => Layer(layer, "attention_norm");

    /// <summary>Weights of the RMSNorm before the feed-forward layer, <c>[dim]</c>.</summary>
    public static string FfnNorm(int layer) => Layer(layer, "ffn_norm");

    /// <summary>The bias of a layer's products with a matrix, <c>[rows]</c>; not every model has one. Meta's names have no such tensor.</summary>
    /// <param name="matrix">The matrix's name, one of the seven of a layer.</param>
    public static string Bias(string matrix)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        return matrix[..^Weight.Length] + BiasSuffix;
    }

    /// <summary>Whether the rows of a matrix, or the elements of its bias, are turned by the rotary embedding: queries and keys.</summary>
    public static bool IsRotated(string name)
    {
        ReadOnlySpan<char> part = name.AsSpan(0, name.LastIndexOf('.'));
        return part.EndsWith(".wq") || part.EndsWith(".wk");
    }

    private static string Layer(int layer, string part) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.{part}{Weight}");
}
