using Llama.Model.Checkpoints.Files;
using Llama.Model.Checkpoints.HuggingFace;

namespace Llama.Model.Checkpoints.Meta;

/// <summary>Reads <c>params.json</c>: the arguments of Meta's reference implementations, with its defaults.</summary>
internal static class MetaConfig
{
    /// <summary>The file's name.</summary>
    public const string FileName = "params.json";

    /// <summary>Parameters of released variants that compute something else.</summary>
    private static readonly string[] Unsupported = ["quantization_args", "lora_args", "moe_args", "vision_chunk_size"];

    /// <summary>Reads the configuration of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">What the user set over it.</param>
    /// <param name="weights">What the first weight file tells, or null if it is not there.</param>
    /// <param name="assumptions">Receives what was assumed, one sentence each.</param>
    /// <exception cref="CheckpointException">A field is missing, of another kind, or contradicts another or the weights.</exception>
    public static ModelConfig Read(string folder, CheckpointOptions options, FirstShard? weights, List<string> assumptions)
    {
        var file = JsonSettings.Read(Path.Combine(folder, FileName));
        foreach (string field in Unsupported)
        {
            if (file.Has(field)) throw file.Wrong(field, "a plain Llama model, which has no such parameter");
        }

        int dim = file.Whole("dim", 1, ConfigLimits.Dim) ?? throw file.Missing("dim");
        int layers = file.Whole("n_layers", 1, ConfigLimits.Layers) ?? throw file.Missing("n_layers");
        int heads = file.Whole("n_heads", 1, ConfigLimits.Heads) ?? throw file.Missing("n_heads");
        int kvHeads = file.Whole("n_kv_heads", 1, ConfigLimits.Heads) ?? heads;
        int headDim = file.Whole("head_dim", 1, ConfigLimits.Dim) ?? ConfigLimits.HeadDim(file.Path, dim, heads);
        weights?.ExpectAllShards((long)heads * headDim, dim);
        float normEps = (float)(file.Positive("norm_eps", 1) ?? 1e-5);
        double ropeTheta = file.Positive("rope_theta", ConfigLimits.RopeTheta) ?? 10_000;
        bool scaled = file.Flag("use_scaled_rope") ?? false;
        int? vocabSize = file.Whole("vocab_size", -1, ConfigLimits.VocabSize) is { } said and not -1 ? said : weights?.VocabSize(dim);
        if (vocabSize == 0) throw file.Wrong("vocab_size", "a whole number above 0, or -1");

        ReleasedShape? released = ReleasedShapes.Find(dim, layers, heads, kvHeads, vocabSize, normEps, ropeTheta, scaled);
        if (vocabSize is null)
        {
            if (released is null)
                throw file.Wrong("vocab_size", $"the number of tokens, because no {ShardFiles.NameOf(0)} is there to tell it");
            vocabSize = released.VocabSize;
            assumptions.Add(
                $"Vocabulary of {vocabSize} tokens assumed, as of {released.Name}: {FileName} does not say, and no weights are there.");
        }

        RopeScaling? scaling = null;
        if (scaled)
        {
            // The constants that Meta's reference implementation has in its code.
            scaling = new RopeScaling(released?.RopeFactor ?? 8, 1, 4, 8192);
            if (options.RopeFactor is null)
                assumptions.Add($"Rope factor {scaling.Factor} assumed{As(released)}: {FileName} does not say; set --rope-factor.");
        }

        int contextLength = ContextLength(file, options, released, vocabSize.Value, ropeTheta, scaled, assumptions);
        var config = ConfigLimits.Check(file.Path, new ModelConfig
        {
            Dim = dim,
            Layers = layers,
            Heads = heads,
            KvHeads = kvHeads,
            HeadDim = headDim,
            HiddenDim = HiddenDim(file, dim),
            VocabSize = vocabSize.Value,
            ContextLength = ConfigLimits.Override(contextLength, options),
            NormEps = normEps,
            RopeTheta = ropeTheta,
            RopeScaling = ConfigLimits.Override(file.Path, scaling, options),
            RotaryLayout = RotaryLayout.AdjacentPairs,
            TiedEmbeddings = weights?.Tied ?? false,
            Family = default,
            EndTokens = [],
        });
        return config with
        {
            Family = LlamaFamilies.Of(folder, config, contextLength),
            EndTokens = GenerationConfig.EndTokens(folder, null, config.VocabSize, assumptions),
            Sampling = GenerationConfig.Sampling(folder),
        };
    }

    /// <summary>
    /// Width of the feed-forward layer, as Meta's reference implementation has it: two thirds of 4 × dim, times the multiplier,
    /// each rounded down, and then up to a multiple.
    /// </summary>
    private static int HiddenDim(JsonSettings file, int dim)
    {
        double multiplier = file.Positive("ffn_dim_multiplier", 1000) ?? 1;
        long multiple = file.Whole("multiple_of", 1, ConfigLimits.HiddenDim) ?? 256;
        long hiddenDim = (long)(multiplier * (8L * dim / 3));
        hiddenDim = (hiddenDim + multiple - 1) / multiple * multiple;
        return hiddenDim is > 0 and <= ConfigLimits.HiddenDim
            ? (int)hiddenDim
            : throw file.Wrong("ffn_dim_multiplier", $"a feed-forward layer of 1 to {ConfigLimits.HiddenDim}, not of {hiddenDim}");
    }

    private static int ContextLength(
        JsonSettings file,
        CheckpointOptions options,
        ReleasedShape? released,
        int vocabSize,
        double ropeTheta,
        bool scaled,
        List<string> assumptions)
    {
        if (file.Whole("max_seq_len", 1, ConfigLimits.ContextLength) is { } said) return said;
        int assumed = released?.ContextLength
            ?? (scaled ? 131_072
            : ropeTheta == 1e6 ? 16_384
            : vocabSize == 128_256 || ropeTheta == 5e5 ? 8192
            : 2048);
        if (options.ContextLength is null)
            assumptions.Add($"Context length {assumed} assumed{As(released)}: {FileName} does not say; set --context.");
        return assumed;
    }

    private static string As(ReleasedShape? released) => released is null ? "" : $", as of {released.Name}";
}
