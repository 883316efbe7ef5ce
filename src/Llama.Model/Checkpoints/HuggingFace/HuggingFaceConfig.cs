using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>
/// The biases that <c>config.json</c> says there are. Files have others, too: llamafied models keep those of their origin, whatever the
/// configuration says.
/// </summary>
/// <param name="Attention">Of queries, keys, values and attention output: <c>attention_bias</c>.</param>
/// <param name="FeedForward">Of gate, up and down: <c>mlp_bias</c>.</param>
internal readonly record struct HuggingFaceBiases(bool Attention, bool FeedForward)
{
    /// <summary>Whether a bias must be there.</summary>
    /// <param name="name">Its name, by <see cref="TensorNames.Bias"/>.</param>
    public bool Demand(string name) => name.Contains(".attention.", StringComparison.Ordinal) ? Attention : FeedForward;
}

/// <summary>
/// Reads <c>config.json</c> as Hugging Face's <c>LlamaConfig</c> has it, with its defaults, and that of Mistral, whose layers are the same.
/// </summary>
internal static class HuggingFaceConfig
{
    /// <summary>The file's name.</summary>
    public const string FileName = "config.json";

    /// <summary>Rows, and columns, that share a scale of eight-bit floats where the configuration does not say.</summary>
    public const int Fp8Block = 128;

    private static readonly string[] Architectures = ["LlamaForCausalLM", "MistralForCausalLM"];

    /// <summary>Reads the configuration of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">What the user set over it.</param>
    /// <param name="assumptions">Receives what was assumed, one sentence each.</param>
    /// <returns>
    /// The configuration, the type of the weights if the file tells it, the biases that it demands, and the rows and columns that share a scale if
    /// weights are eight-bit floats.
    /// </returns>
    /// <exception cref="CheckpointException">A field is missing, of another kind, or asks for what a Llama model does not do.</exception>
    public static (ModelConfig Config, ElementType? WeightType, HuggingFaceBiases Biases, (int Rows, int Columns)? Fp8Block) Read(
        string folder, CheckpointOptions options, List<string> assumptions)
    {
        var file = JsonSettings.Read(Path.Combine(folder, FileName));
        RefuseOthers(file);
        int dim = file.Whole("hidden_size", 1, ConfigLimits.Dim) ?? throw file.Missing("hidden_size");
        int heads = file.Whole("num_attention_heads", 1, ConfigLimits.Heads) ?? throw file.Missing("num_attention_heads");
        int contextLength = ContextLength(file, options, assumptions);
        int headDim = file.Whole("head_dim", 1, ConfigLimits.Dim) ?? ConfigLimits.HeadDim(file.Path, dim, heads);
        HuggingFaceRope rope = HuggingFaceRope.Read(file, headDim);
        var config = ConfigLimits.Check(file.Path, new ModelConfig
        {
            Dim = dim,
            Layers = file.Whole("num_hidden_layers", 1, ConfigLimits.Layers) ?? throw file.Missing("num_hidden_layers"),
            Heads = heads,
            KvHeads = file.Whole("num_key_value_heads", 1, ConfigLimits.Heads) ?? heads,
            HeadDim = headDim,
            HiddenDim = file.Whole("intermediate_size", 1, ConfigLimits.HiddenDim) ?? throw file.Missing("intermediate_size"),
            VocabSize = file.Whole("vocab_size", 1, ConfigLimits.VocabSize) ?? throw file.Missing("vocab_size"),
            ContextLength = ConfigLimits.Override(contextLength, options),
            NormEps = (float)(file.Positive("rms_norm_eps", 1) ?? 1e-6),
            RopeTheta = HuggingFaceRope.Theta(file),
            RopeScaling = ConfigLimits.Override(file.Path, rope.Scaling, options),
            RopeFactors = rope.Factors,
            RopeMagnitude = rope.Magnitude,
            RotaryLayout = RotaryLayout.Halves,
            TiedEmbeddings = file.Flag("tie_word_embeddings") ?? false,
            Family = default,
            EndTokens = [],
        });
        config = config with
        {
            Family = LlamaFamilies.Of(folder, config, contextLength),
            EndTokens = GenerationConfig.EndTokens(folder, file, config.VocabSize, assumptions),
            Sampling = GenerationConfig.Sampling(folder),
        };
        ElementType? weightType = (file.Text("dtype") ?? file.Text("torch_dtype")) switch
        {
            "float32" => ElementType.F32,
            "float16" => ElementType.F16,
            "bfloat16" => ElementType.BF16,
            _ => null,
        };
        return (config, weightType, new HuggingFaceBiases(file.Flag("attention_bias") ?? false, file.Flag("mlp_bias") ?? false), Quantization(file));
    }

    private static void RefuseOthers(JsonSettings file)
    {
        if (!Is(file.Text("model_type"), "llama") && !Is(file.Text("model_type"), "mistral")) throw file.Wrong("model_type", "llama or mistral");
        IReadOnlyList<string>? architectures = file.TextList("architectures");
        if (architectures is not null && !architectures.Intersect(Architectures, StringComparer.OrdinalIgnoreCase).Any())
        {
            throw new CheckpointException(
                $"{file.Path}: architectures: found {Excerpt.Of(string.Join(", ", architectures))}, expected {string.Join(" or ", Architectures)}");
        }

        if (architectures is null && !file.Has("model_type")) throw file.Wrong("model_type", "llama");
        if (!Is(file.Text("hidden_act"), "silu")) throw file.Wrong("hidden_act", "silu");
        foreach (string experts in (string[])["num_local_experts", "num_experts", "n_routed_experts"])
        {
            if (file.Whole(experts, 0, int.MaxValue) is > 0) throw file.Wrong(experts, "none: mixtures of experts are not supported");
        }

        if (file.Number("partial_rotary_factor", 0, 1) is { } part and not 1)
            throw file.Wrong("partial_rotary_factor", $"1, not {part}: every element of a head is turned");
    }

    /// <summary>Rows and columns that share a scale of eight-bit floats; null for weights that are not quantised.</summary>
    private static (int Rows, int Columns)? Quantization(JsonSettings file)
    {
        if (file.Object("quantization_config") is not { } quantization) return null;
        string method = quantization.Text("quant_method") ?? "an unknown method";
        string? kind = method switch
        {
            "fp8" or "fbgemm_fp8" => "fp8",
            "compressed-tensors" => quantization.Text("format"),
            "modelopt" => quantization.Text("quant_algo"),
            _ => null,
        };
        if (kind is not ("fp8" or "float-quantized" or "FP8"))
        {
            throw new CheckpointException(
                $"{file.Path}: quantization_config: found weights of {Excerpt.Of(kind is null ? method : $"{method}, {kind}")}, expected F32, F16, BF16 or FP8 with scales: "
                + "use the checkpoint that it was made from, with --weights for fewer bits, or a GGUF file of the model");
        }

        return quantization.WholeList("weight_block_size", 1, ConfigLimits.HiddenDim) switch
        {
            null => (Fp8Block, Fp8Block),
            [var rows, var columns] => (rows, columns),
            _ => throw quantization.Wrong("weight_block_size", "two numbers, of rows and columns"),
        };
    }

    private static bool Is(string? found, string expected) => found is null || found.Equals(expected, StringComparison.OrdinalIgnoreCase);

    private static int ContextLength(JsonSettings file, CheckpointOptions options, List<string> assumptions)
    {
        if (file.Whole("max_position_embeddings", 1, ConfigLimits.ContextLength) is { } said)
        {
            // Within its window a model that slides it attends to everything, as these layers always do.
            if (file.Flag("use_sliding_window") == false || file.Whole("sliding_window", 1, int.MaxValue) is not { } window || window >= said) return said;
            assumptions.Add($"Context length {window} instead of {said}: the sliding window of {FileName}, beyond which attention is not supported.");
            return options.ContextLength <= window || options.ContextLength is null ? window : throw new CheckpointException(
                $"--context: found {options.ContextLength}, expected at most {window}, the sliding window of {file.Path}");
        }

        const int Default = 2048;
        if (options.ContextLength is null) assumptions.Add($"Context length {Default} assumed: {FileName} does not say; set --context.");
        return Default;
    }
}
