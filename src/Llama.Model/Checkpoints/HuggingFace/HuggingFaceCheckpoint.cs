using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>A checkpoint in Hugging Face's format: every tensor whole, in one file or, by an index, in several.</summary>
internal sealed class HuggingFaceCheckpoint : FileCheckpoint
{
    private readonly SafetensorsParts parts;
    private readonly HuggingFaceBiases biases;

    private HuggingFaceCheckpoint(SafetensorsParts parts, HuggingFaceBiases biases)
    {
        this.parts = parts;
        this.biases = biases;
    }

    /// <summary>Opens a folder. Weight files need not be there; those that are must hold nothing that cannot be computed with.</summary>
    /// <exception cref="CheckpointException">The configuration, the index or a weight file cannot be used.</exception>
    public static HuggingFaceCheckpoint OpenFolder(string folder, CheckpointOptions options)
    {
        var assumptions = new List<string>();
        (ModelConfig config, ElementType? weightType, HuggingFaceBiases biases) = HuggingFaceConfig.Read(folder, options, assumptions);
        var parts = new SafetensorsParts(folder, new TensorCheck(config, HuggingFaceNames.Of, HuggingFaceNames.IsIgnored));
        weightType ??= parts.AnyType switch
        {
            "F32" => ElementType.F32,
            "F16" => ElementType.F16,
            "BF16" => ElementType.BF16,
            _ => null,
        };
        return new HuggingFaceCheckpoint(parts, biases)
        {
            Path = folder,
            Config = config with { BiasElements = ModelTensors.BiasElements(config, bias => MayHaveBias(parts, biases, bias)) },
            Assumptions = assumptions,
            WeightType = weightType ?? ElementType.BF16,
            WeightName = weightType?.ToString(),
        };
    }

    /// <inheritdoc/>
    internal override bool MayHaveBias(string name) => MayHaveBias(parts, biases, name);

    /// <inheritdoc/>
    protected override IReadOnlyList<StoredTensor> Find(string name)
    {
        string theirs = HuggingFaceNames.Of(name);
        string output = HuggingFaceNames.Of(TensorNames.Output);

        // Tied embeddings are stored once, as a rule as embeddings.
        bool isOutput = name == TensorNames.TokenEmbeddings && Config.TiedEmbeddings && !parts.Has(theirs) && parts.Has(output);
        return [parts.Find(isOutput ? output : theirs)];
    }

    /// <inheritdoc/>
    protected override void CloseFiles() => parts.Dispose();

    private static bool MayHaveBias(SafetensorsParts parts, HuggingFaceBiases biases, string name) =>
        biases.Demand(name) || parts.Has(HuggingFaceNames.Of(name));
}
