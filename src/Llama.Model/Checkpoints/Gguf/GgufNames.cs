namespace Llama.Model.Checkpoints.Gguf;

/// <summary>GGUF's names of the tensors that <see cref="TensorNames"/> names as Meta does.</summary>
internal static class GgufNames
{
    /// <summary>The tensor of what the rotary frequencies are divided by, <c>[headDim / 2]</c>; in files of models that scale them.</summary>
    public const string RopeFactors = "rope_freqs.weight";

    private const string Embeddings = "token_embd.weight";
    private const string Norm = "output_norm.weight";
    private const string Output = "output.weight";

    private static readonly Dictionary<string, string> Parts = new(StringComparer.Ordinal)
    {
        ["attention.wq"] = "attn_q",
        ["attention.wk"] = "attn_k",
        ["attention.wv"] = "attn_v",
        ["attention.wo"] = "attn_output",
        ["feed_forward.w1"] = "ffn_gate",
        ["feed_forward.w2"] = "ffn_down",
        ["feed_forward.w3"] = "ffn_up",
        ["attention_norm"] = "attn_norm",
        ["ffn_norm"] = "ffn_norm",
    };

    /// <summary>Whether a model with this tensor computes with it: it lies in a layer, or is known.</summary>
    public static bool IsNeeded(string name) =>
        name.StartsWith("blk.", StringComparison.Ordinal) || name is RopeFactors or Embeddings or Norm or Output;

    /// <summary>GGUF's name of a tensor.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <exception cref="ArgumentException">It is no such name.</exception>
    public static string Of(string name)
    {
        switch (name)
        {
            case TensorNames.TokenEmbeddings: return Embeddings;
            case TensorNames.Norm: return Norm;
            case TensorNames.Output: return Output;
        }

        // layers.N.PART.weight
        string[] pieces = name.Split('.');
        return pieces is ["layers", var layer, .. var part, "weight"] && Parts.TryGetValue(string.Join('.', part), out string? theirs)
            ? $"blk.{layer}.{theirs}.weight"
            : throw new ArgumentException($"{name} is no name of a tensor", nameof(name));
    }
}
