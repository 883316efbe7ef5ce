using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>A checkpoint in GGUF: one file, or several parts, with configuration and tokenizer inside.</summary>
internal sealed class GgufCheckpoint : FileCheckpoint
{
    private readonly GgufParts parts;
    private readonly bool missingMayHaveBiases;

    private GgufCheckpoint(GgufParts parts, bool missingMayHaveBiases)
    {
        this.parts = parts;
        this.missingMayHaveBiases = missingMayHaveBiases;
    }

    /// <summary>Opens a model.</summary>
    /// <param name="path">What the user named.</param>
    /// <param name="file">The only file, or the first part.</param>
    /// <param name="options">What the user set over it.</param>
    /// <exception cref="CheckpointException">The file cannot be used.</exception>
    public static GgufCheckpoint OpenFile(string path, string file, CheckpointOptions options)
    {
        var parts = new GgufParts(file);
        try
        {
            GgufMetadata metadata = parts.First.Metadata;
            var assumptions = new List<string>();
            ModelConfig config = GgufConfig.Read(metadata, options, assumptions);
            var check = new TensorCheck(config, GgufNames.Of, GgufNames.IsIgnored);
            foreach (GgufFile part in parts.Here) check.RefuseOthers(part.Path, part.TensorNames);
            bool missingMayHaveBiases = MissingMayHaveBiases(parts, config);
            RopeFactors? factors = ReadRopeFactors(parts, config.HeadDim);
            (string Name, ElementType Type)? stored =
                metadata.Whole("general.file_type", 0, int.MaxValue) is { } fileType ? GgufTypes.OfFile(fileType) : null;
            ElementType type = stored?.Type ?? parts.First.MostFrequentType ?? ElementType.F16;
            return new GgufCheckpoint(parts, missingMayHaveBiases)
            {
                Path = path,
                Config = config with
                {
                    RopeFactors = Both(factors, config.RopeFactors),
                    TiedEmbeddings = parts.Find(GgufNames.Of(TensorNames.Output)) is null && !parts.Missing.Any(),
                    BiasElements = ModelTensors.BiasElements(config, bias => missingMayHaveBiases || parts.Find(GgufNames.Of(bias)) is not null),
                },
                Assumptions = assumptions,
                WeightType = type,
                WeightName = stored?.Name ?? type.ToString(),
            };
        }
        catch
        {
            parts.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    internal override IReadOnlyList<string> HeaderFiles => [.. parts.Here.Select(part => part.Path)];

    /// <inheritdoc/>
    internal override bool MayHaveBias(string name) => missingMayHaveBiases || parts.Find(GgufNames.Of(name)) is not null;

    /// <inheritdoc/>
    protected override IReadOnlyList<StoredTensor> Find(string name)
    {
        string theirs = GgufNames.Of(name);
        if (parts.Find(theirs) is { } tensor) return [tensor];
        string[] missing = [.. parts.Missing.Select(part => System.IO.Path.GetFileName(part))];
        throw new CheckpointException(missing.Length == 0
            ? $"{parts.First.Path}: tensor {theirs} is missing"
            : $"{parts.First.Path}: tensor {theirs} is in none of the parts that are there; missing are {string.Join(", ", missing)}");
    }

    /// <inheritdoc/>
    protected override void CloseFiles() => parts.Dispose();

    /// <summary>
    /// Whether parts that are not there may have biases: all parts together have more tensors than those that are here and the weights
    /// that are not, or how many they have is not said.
    /// </summary>
    private static bool MissingMayHaveBiases(GgufParts parts, ModelConfig config)
    {
        if (!parts.Missing.Any()) return false;
        int weights = ModelTensors.Of(config).Count(tensor => parts.Find(GgufNames.Of(tensor.Name)) is null);
        int found = parts.Here.Sum(part => part.TensorNames.Count);
        return parts.First.Metadata.Whole("split.tensors.count", 0, int.MaxValue) is not { } all || all > found + weights;
    }

    /// <summary>Frequencies may be divided twice, as in llama.cpp: by a tensor, and by the scaling that the metadata names.</summary>
    private static RopeFactors? Both(RopeFactors? tensor, RopeFactors? scaling)
    {
        if (tensor is null || scaling is null) return tensor ?? scaling;
        float[] products = new float[tensor.Values.Length];
        for (int pair = 0; pair < products.Length; pair++) products[pair] = tensor[pair] * scaling[pair];
        return new RopeFactors(products);
    }

    private static RopeFactors? ReadRopeFactors(GgufParts parts, int headDim)
    {
        if (parts.Find(GgufNames.RopeFactors) is not { } tensor) return null;
        if (tensor.Type != ElementType.F32 || !tensor.Shape.AsSpan().SequenceEqual([headDim / 2]))
        {
            throw new CheckpointException(
                $"{tensor.File}: tensor {tensor.Name}: found {tensor.TypeName} {StoredTensor.Text(tensor.Shape)}, expected F32 [{headDim / 2}]");
        }

        float[] factors = ReadSingles(tensor);
        return Array.TrueForAll(factors, factor => factor > 0 && factor <= ConfigLimits.RopeFactor)
            ? new RopeFactors(factors)
            : throw new CheckpointException(
                $"{tensor.File}: tensor {tensor.Name}: found a factor that is not above 0 and at most {ConfigLimits.RopeFactor}");
    }
}
