namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>Hugging Face's names of the tensors that <see cref="TensorNames"/> names as Meta does.</summary>
internal static class HuggingFaceNames
{
    /// <summary>What the name of a weight ends with in that of its scales, in most files.</summary>
    public const string Scale = ".weight_scale";

    /// <summary>The same in files of block scales, which weights are multiplied with all the same.</summary>
    public const string InverseScale = ".weight_scale_inv";

    private static readonly Dictionary<string, string> Parts = new(StringComparer.Ordinal)
    {
        ["attention.wq"] = "self_attn.q_proj",
        ["attention.wk"] = "self_attn.k_proj",
        ["attention.wv"] = "self_attn.v_proj",
        ["attention.wo"] = "self_attn.o_proj",
        ["feed_forward.w1"] = "mlp.gate_proj",
        ["feed_forward.w2"] = "mlp.down_proj",
        ["feed_forward.w3"] = "mlp.up_proj",
        ["attention_norm"] = "input_layernorm",
        ["ffn_norm"] = "post_attention_layernorm",
    };

    private static readonly string[] Scales = [Scale, InverseScale, ".input_scale", ".output_scale", ".k_scale", ".v_scale", ".kv_scale"];

    /// <summary>Hugging Face's name of a tensor.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <exception cref="ArgumentException">It is no such name.</exception>
    public static string Of(string name)
    {
        switch (name)
        {
            case TensorNames.TokenEmbeddings: return "model.embed_tokens.weight";
            case TensorNames.Norm: return "model.norm.weight";
            case TensorNames.Output: return "lm_head.weight";
        }

        // layers.N.PART.weight, and .bias
        string[] pieces = name.Split('.');
        return pieces is ["layers", var layer, .. var part, "weight" or "bias"] && Parts.TryGetValue(string.Join('.', part), out string? theirs)
            ? $"model.layers.{layer}.{theirs}.{pieces[^1]}"
            : throw new ArgumentException($"{name} is no name of a tensor", nameof(name));
    }

    /// <summary>
    /// Whether a tensor without a name of ours is read elsewhere or changes nothing: scales of eight-bit floats, and those that inputs, keys and
    /// values would be rounded with; tables of the rotary embedding, which is computed from the configuration; and what lies beside the language
    /// model, other heads say.
    /// </summary>
    /// <param name="name">Hugging Face's name.</param>
    public static bool IsIgnored(string name) =>
        name.Contains(".rotary_emb.", StringComparison.Ordinal)
        || Array.Exists(Scales, ending => name.EndsWith(ending, StringComparison.Ordinal))
        || !(name.StartsWith("model.", StringComparison.Ordinal) || name.StartsWith("lm_head.", StringComparison.Ordinal));
}
