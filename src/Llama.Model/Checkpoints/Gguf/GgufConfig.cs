using Llama.Model.Sampling;
using Llama.Model.Tokenization;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>Reads a configuration from GGUF metadata: <c>general.*</c>, <c>llama.*</c> and the special tokens.</summary>
internal static class GgufConfig
{
    /// <summary>The key of the recommended temperature.</summary>
    public const string Temperature = "general.sampling.temp";

    /// <summary>The key of the recommended number of most probable tokens.</summary>
    public const string TopK = "general.sampling.top_k";

    /// <summary>The key of the recommended sum of probabilities.</summary>
    public const string TopP = "general.sampling.top_p";

    /// <summary>The key of the recommended least share of the greatest probability.</summary>
    public const string MinP = "general.sampling.min_p";

    /// <summary>The key of what cosines and sines are multiplied with, beside what YaRN's own scaling does.</summary>
    public const string RopeMagnitude = $"{Architecture}.rope.scaling.attn_factor";

    private const string Architecture = "llama";

    /// <summary>Reads the configuration of a model, but for what its tensors tell.</summary>
    /// <param name="metadata">The first part's metadata.</param>
    /// <param name="options">What the user set over it.</param>
    /// <param name="assumptions">Receives what was assumed, one sentence each.</param>
    /// <exception cref="CheckpointException">A key is missing, of another kind, or asks for what a Llama model does not do.</exception>
    public static ModelConfig Read(GgufMetadata metadata, CheckpointOptions options, List<string> assumptions)
    {
        if (metadata.Text("general.architecture") != Architecture) throw metadata.Wrong("general.architecture", Architecture);
        int dim = Required("embedding_length", ConfigLimits.Dim);
        int heads = Required("attention.head_count", ConfigLimits.Heads);
        int headDim = Optional("attention.key_length", ConfigLimits.Dim) ?? ConfigLimits.HeadDim(metadata.Path, dim, heads);
        if (metadata.Whole(Key("expert_count"), 0, int.MaxValue) is > 0) throw metadata.Wrong(Key("expert_count"), "0: a plain Llama model");
        foreach (string key in (string[])["attention.value_length", "rope.dimension_count"])
        {
            if ((Optional(key, ConfigLimits.Dim) ?? headDim) != headDim) throw metadata.Wrong(Key(key), $"{headDim}, the width of a head");
        }

        int contextLength = ContextLength();
        double theta = metadata.Positive(Key("rope.freq_base"), ConfigLimits.RopeTheta) ?? 10_000;
        (RopeFactors? factors, float magnitude) = Scaling(metadata, headDim, theta, contextLength);
        var config = ConfigLimits.Check(metadata.Path, new ModelConfig
        {
            Dim = dim,
            Layers = Required("block_count", ConfigLimits.Layers),
            Heads = heads,
            KvHeads = Optional("attention.head_count_kv", ConfigLimits.Heads) ?? heads,
            HeadDim = headDim,
            HiddenDim = Required("feed_forward_length", ConfigLimits.HiddenDim),
            VocabSize = VocabSize(metadata),
            ContextLength = ConfigLimits.Override(contextLength, options),
            NormEps = (float)(metadata.Positive(Key("attention.layer_norm_rms_epsilon"), 1)
                ?? throw metadata.Missing(Key("attention.layer_norm_rms_epsilon"))),
            RopeTheta = theta,
            RopeScaling = ConfigLimits.Override(metadata.Path, null, options),
            RopeFactors = factors,
            RopeMagnitude = magnitude,
            RotaryLayout = RotaryLayout.AdjacentPairs,
            Family = default,
            EndTokens = [],
        });
        return config with
        {
            Family = LlamaFamilies.Of(GgufTokenizer.IsByteLevel(metadata), config, contextLength),
            EndTokens = EndTokens(metadata, config.VocabSize, assumptions),
            Sampling = Sampling(metadata),
        };

        string Key(string name) => $"{Architecture}.{name}";
        int? Optional(string name, int most) => metadata.Whole(Key(name), 1, most);
        int Required(string name, int most) => Optional(name, most) ?? throw metadata.Missing(Key(name));

        int ContextLength()
        {
            if (Optional("context_length", ConfigLimits.ContextLength) is { } said) return said;
            const int Default = 2048;
            if (options.ContextLength is null) assumptions.Add($"Context length {Default} assumed: {metadata.Path} does not say; set --context.");
            return Default;
        }
    }

    private static int VocabSize(GgufMetadata metadata)
    {
        const string Key = $"{Architecture}.vocab_size";
        int? said = metadata.Whole(Key, 1, ConfigLimits.VocabSize);
        return (metadata.Count(GgufTokenizer.Tokens) ?? said) switch
        {
            null => throw metadata.Missing(Key),
            0 or > ConfigLimits.VocabSize => throw metadata.Wrong(GgufTokenizer.Tokens, $"1 to {ConfigLimits.VocabSize} tokens"),
            { } size => size,
        };
    }

    /// <summary>
    /// Linear scaling divides every frequency by one factor, YaRN each by its own; Llama 3.1's lies in a tensor, and other kinds are none
    /// of Llama's. As in llama.cpp, whose converter writes what is left of YaRN's magnitude into a factor of its own.
    /// </summary>
    private static (RopeFactors? Factors, float Magnitude) Scaling(GgufMetadata metadata, int headDim, double theta, int contextLength)
    {
        const string Type = $"{Architecture}.rope.scaling.type";
        const string OriginalContext = $"{Architecture}.rope.scaling.original_context_length";
        const string Extrapolation = $"{Architecture}.rope.scaling.yarn_ext_factor";
        string? type = metadata.Text(Type);
        if (type is not (null or "none" or "linear" or "yarn")) throw metadata.Wrong(Type, "none, linear or yarn");
        double magnitude = Positive(RopeMagnitude) ?? 1;
        double factor = Factor("factor") ?? metadata.Number($"{Architecture}.rope.scale_linear", 0, ConfigLimits.RopeFactor) ?? 1;

        // As llama.cpp has it, 0 stands for none.
        if (factor == 0 || type == "none") factor = 1;
        if (type == "yarn")
        {
            if (metadata.Number(Extrapolation, float.MinValue, float.MaxValue) is >= 0 and not 1)
                throw metadata.Wrong(Extrapolation, "1, or a number below 0 for the same");
            var yarn = new YarnScaling
            {
                Factor = factor,
                OriginalContext = metadata.Whole(OriginalContext, 0, ConfigLimits.ContextLength) is > 0 and { } said ? said : contextLength,
                BetaFast = Rotations("yarn_beta_fast") ?? 32,
                BetaSlow = Rotations("yarn_beta_slow") ?? 1,
            };
            double logMultiplier = Factor("yarn_log_multiplier") ?? 0;
            magnitude *= YarnScaling.Magnitude(factor) / (logMultiplier == 0 ? 1 : YarnScaling.Magnitude(factor, logMultiplier));
            return (yarn.Factors(metadata.Path, headDim, theta), (float)magnitude);
        }

        return (factor == 1 ? null : RopeFactors.Same(headDim, factor), (float)magnitude);

        double? Factor(string name) => metadata.Number($"{Architecture}.rope.scaling.{name}", 0, ConfigLimits.RopeFactor);
        double? Positive(string key) => metadata.Positive(key, ConfigLimits.RopeFactor);
        double? Rotations(string name) => metadata.Positive($"{Architecture}.rope.scaling.{name}", YarnScaling.MostRotations);
    }

    private static SamplingParameters Sampling(GgufMetadata metadata)
    {
        var defaults = new SamplingParameters();
        return defaults with
        {
            Temperature = (float)(metadata.Number(Temperature, 0, ConfigLimits.Temperature) ?? defaults.Temperature),
            TopK = metadata.Whole(TopK, 0, int.MaxValue) ?? defaults.TopK,
            TopP = (float)(metadata.Positive(TopP, 1) ?? defaults.TopP),
            MinP = (float)(metadata.Number(MinP, 0, 1) ?? defaults.MinP),
        };
    }

    private static int[] EndTokens(GgufMetadata metadata, int vocabSize, List<string> assumptions)
    {
        foreach (string key in metadata.Keys.Where(key => key.StartsWith("tokenizer.", StringComparison.Ordinal) && key.EndsWith("_token_id", StringComparison.Ordinal)))
        {
            if (metadata.Token(key, vocabSize) is null)
                assumptions.Add($"{metadata.Path}: {key} is no token of the vocabulary, which has {vocabSize}, and is ignored");
        }

        return [.. GgufTokenizer.EndTokenKeys.Select(key => metadata.Token(key, vocabSize)).OfType<int>().Distinct().Order()];
    }
}
