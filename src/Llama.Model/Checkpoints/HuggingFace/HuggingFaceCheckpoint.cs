using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>A checkpoint in Hugging Face's format: every tensor whole, in one file or, by an index, in several.</summary>
internal sealed class HuggingFaceCheckpoint : FileCheckpoint
{
    private const int MostScales = 1 << 24;

    private readonly SafetensorsParts parts;
    private readonly HuggingFaceBiases biases;
    private readonly (int Rows, int Columns) fp8Block;

    private HuggingFaceCheckpoint(SafetensorsParts parts, HuggingFaceBiases biases, (int Rows, int Columns) fp8Block)
    {
        this.parts = parts;
        this.biases = biases;
        this.fp8Block = fp8Block;
    }

    /// <summary>Opens a folder. Weight files need not be there; those that are must hold nothing that cannot be computed with.</summary>
    /// <exception cref="CheckpointException">The configuration, the index or a weight file cannot be used.</exception>
    public static HuggingFaceCheckpoint OpenFolder(string folder, CheckpointOptions options)
    {
        var assumptions = new List<string>();
        (ModelConfig config, ElementType? weightType, HuggingFaceBiases biases, (int Rows, int Columns)? fp8Block) =
            HuggingFaceConfig.Read(folder, options, assumptions);
        var parts = new SafetensorsParts(folder, new TensorCheck(config, HuggingFaceNames.Of, HuggingFaceNames.IsIgnored));
        if (fp8Block is not null)
        {
            weightType ??= ElementType.BF16;
            assumptions.Add($"Weights of eight-bit floats take memory as {weightType}; inputs of their products are not rounded to eight bits.");
        }

        weightType ??= parts.AnyType switch
        {
            "F32" => ElementType.F32,
            "F16" => ElementType.F16,
            "BF16" => ElementType.BF16,
            _ => null,
        };
        return new HuggingFaceCheckpoint(parts, biases, fp8Block ?? (HuggingFaceConfig.Fp8Block, HuggingFaceConfig.Fp8Block))
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
    private protected override Fp8Weights? FindFp8(string name, int rows, int columns)
    {
        StoredTensor weights = LocateHere(name)[0];
        if (!weights.IsFp8) return null;
        string stem = weights.Name[..weights.Name.LastIndexOf('.')];
        StoredTensor scale = parts.Find(stem + (parts.Has(stem + HuggingFaceNames.InverseScale) ? HuggingFaceNames.InverseScale : HuggingFaceNames.Scale));
        if (scale.Elements > MostScales)
            throw new CheckpointException($"{scale.File}: tensor {scale.Name}: found {scale.Elements} scales, expected at most {MostScales}");
        return new Fp8Weights(weights, scale, ReadSingles(scale), rows, columns, fp8Block, WeightType);
    }

    /// <inheritdoc/>
    protected override void CloseFiles() => parts.Dispose();

    private static bool MayHaveBias(SafetensorsParts parts, HuggingFaceBiases biases, string name) =>
        biases.Demand(name) || parts.Has(HuggingFaceNames.Of(name));
}
