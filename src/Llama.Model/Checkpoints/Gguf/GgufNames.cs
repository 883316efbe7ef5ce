namespace Llama.Model.Checkpoints.Gguf;

/// <summary>GGUF's names of the tensors that <see cref="TensorNames"/> names as Meta does.</summary>
internal static class GgufNames
{
    /// <summary>The tensor of what the rotary frequencies are divided by, <c>[headDim / 2]</c>; in files of models that scale them.</summary>
    public const string RopeFactors = "rope_freqs.weight";

    // What the names of all tensors begin with that a language model computes with.
    private static readonly string[] Stems = ["blk.", "token_", "position_", "output", "rope_"];

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

    /// <summary>GGUF's name of a tensor.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <exception cref="ArgumentException">It is no such name.</exception>
    public static string Of(string name)
    {
        switch (name)
        {
            case TensorNames.TokenEmbeddings: return "token_embd.weight";
            case TensorNames.Norm: return "output_norm.weight";
            case TensorNames.Output: return "output.weight";
        }

        // layers.N.PART.weight, and .bias
        string[] pieces = name.Split('.');
        return pieces is ["layers", var layer, .. var part, "weight" or "bias"] && Parts.TryGetValue(string.Join('.', part), out string? theirs)
            ? $"blk.{layer}.{theirs}.{pieces[^1]}"
            : throw new ArgumentException($"{name} is no name of a tensor", nameof(name));
    }

    /// <summary>
    /// Whether a tensor without a name of ours is read elsewhere or changes nothing: <see cref="RopeFactors"/>, old files' tables of the
    /// rotary embedding, and what lies beside the language model.
    /// </summary>
    /// <param name="name">GGUF's name.</param>
    public static bool IsIgnored(string name) =>
        name == RopeFactors || name.EndsWith(".attn_rot_embd.weight", StringComparison.Ordinal) || !IsOfModel(name);

    /// <summary>Whether a tensor is one of the language model's.</summary>
    /// <param name="name">GGUF's name.</param>
    public static bool IsOfModel(string name) => Array.Exists(Stems, stem => name.StartsWith(stem, StringComparison.Ordinal));
}
