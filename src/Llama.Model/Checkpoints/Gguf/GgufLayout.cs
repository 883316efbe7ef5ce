using Llama.Model.Kernels;
using Llama.Model.Sampling;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>What a GGUF file of a Llama model says about its shape, and which tensors it holds, in which types.</summary>
public static class GgufLayout
{
    /// <summary>The metadata of a configuration, without a tokenizer.</summary>
    /// <param name="config">The model.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="type">The types of its matrices, where their rows divide into blocks.</param>
    public static IReadOnlyList<KeyValuePair<string, object>> Metadata(ModelConfig config, string name, WeightMix type)
    {
        ArgumentNullException.ThrowIfNull(config);
        return
        [
            new("general.architecture", "llama"),
            new("general.name", name),
            new("general.file_type", GgufTypes.FileType(type)),
            new("general.quantization_version", 2),
            new("llama.block_count", config.Layers),
            new("llama.context_length", config.ContextLength),
            new("llama.embedding_length", config.Dim),
            new("llama.feed_forward_length", config.HiddenDim),
            new("llama.attention.head_count", config.Heads),
            new("llama.attention.head_count_kv", config.KvHeads),
            new("llama.attention.key_length", config.HeadDim),
            new("llama.attention.value_length", config.HeadDim),
            new("llama.attention.layer_norm_rms_epsilon", config.NormEps),
            new("llama.rope.dimension_count", config.HeadDim),
            new("llama.rope.freq_base", (float)config.RopeTheta),
            new("llama.vocab_size", config.VocabSize),
            .. config.RopeMagnitude == 1 ? [] : (KeyValuePair<string, object>[])[new(GgufConfig.RopeMagnitude, config.RopeMagnitude)],
            .. Sampling(config.Sampling),
        ];
    }

    /// <summary>The tensors of a model without biases in the order of the file; norms and rotary factors are in single precision.</summary>
    /// <param name="config">The model.</param>
    /// <param name="type">The types of its matrices; those whose rows they do not divide fall back (<see cref="TypeFor"/>).</param>
    public static IReadOnlyList<GgufTensor> Tensors(ModelConfig config, WeightMix type)
    {
        ArgumentNullException.ThrowIfNull(config);
        return Tensors(config, ModelTensors.Of(config), type);
    }

    /// <summary>What the first tensor holds in the file of a model that scales its rotary frequencies; null for one that does not.</summary>
    public static RopeFactors? RopeFactors(ModelConfig config) => RotaryEmbedding.FactorsOf(config);

    /// <summary>The type in which rows can be stored: the wanted one, or else what llama.cpp takes for it, at last F16.</summary>
    /// <param name="wanted">The type asked for.</param>
    /// <param name="columns">Elements of a row.</param>
    public static ElementType TypeFor(ElementType wanted, int columns)
    {
        if (columns % wanted.BlockElements() == 0) return wanted;
        ElementType smaller = wanted switch
        {
            ElementType.Q4_K => ElementType.Q5_0,
            ElementType.Q5_K => ElementType.Q5_1,
            _ => ElementType.Q8_0,
        };
        return columns % smaller.BlockElements() == 0 ? smaller : ElementType.F16;
    }

    /// <summary>The tensors of a model in the order of the file; vectors are in single precision.</summary>
    /// <param name="config">The model.</param>
    /// <param name="all">Its tensors.</param>
    /// <param name="type">The types of its matrices; those whose rows they do not divide fall back (<see cref="TypeFor"/>).</param>
    internal static IReadOnlyList<GgufTensor> Tensors(ModelConfig config, IEnumerable<ModelTensor> all, WeightMix type)
    {
        var tensors = new List<GgufTensor>();
        if (RopeFactors(config) is { } factors) tensors.Add(new(GgufNames.RopeFactors, ElementType.F32, [factors.Values.Length]));
        tensors.AddRange(all.Select(tensor => tensor.Rows is { } rows
            ? new GgufTensor(GgufNames.Of(tensor.Name), TypeFor(type.TypeOf(tensor.Name, config), tensor.Columns), [rows, tensor.Columns])
            : new GgufTensor(GgufNames.Of(tensor.Name), ElementType.F32, [tensor.Columns])));
        return tensors;
    }

    private static IEnumerable<KeyValuePair<string, object>> Sampling(SamplingParameters sampling)
    {
        var defaults = new SamplingParameters();
        if (sampling.Temperature != defaults.Temperature) yield return new(GgufConfig.Temperature, sampling.Temperature);
        if (sampling.TopK != defaults.TopK) yield return new(GgufConfig.TopK, sampling.TopK);
        if (sampling.TopP != defaults.TopP) yield return new(GgufConfig.TopP, sampling.TopP);
        if (sampling.MinP != defaults.MinP) yield return new(GgufConfig.MinP, sampling.MinP);
    }
}
