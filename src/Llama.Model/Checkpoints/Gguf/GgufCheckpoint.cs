using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>A checkpoint in GGUF: one file, or several parts, with configuration and tokenizer inside.</summary>
internal sealed class GgufCheckpoint : FileCheckpoint
{
    private readonly GgufParts parts;

    private GgufCheckpoint(GgufParts parts) => this.parts = parts;

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
            if (parts.First.TensorNames.FirstOrDefault(name => name.EndsWith(".bias", StringComparison.Ordinal)) is { } bias)
                throw new CheckpointException($"{file}: found tensor {Excerpt.Of(bias)}, expected a plain Llama model, which has no biases");

            var assumptions = new List<string>();
            ModelConfig config = GgufConfig.Read(metadata, options, assumptions);
            RopeFactors? factors = ReadRopeFactors(parts, config.HeadDim);
            (string Name, ElementType Type)? stored =
                metadata.Whole("general.file_type", 0, int.MaxValue) is { } fileType ? GgufTypes.OfFile(fileType) : null;
            ElementType type = stored?.Type ?? parts.First.MostFrequentType ?? ElementType.F16;
            return new GgufCheckpoint(parts)
            {
                Path = path,
                Config = config with
                {
                    RopeFactors = factors ?? config.RopeFactors,
                    TiedEmbeddings = parts.Find(GgufNames.Of(TensorNames.Output)) is null && !parts.Missing.Any(),
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
    internal override string? HeaderFile => parts.First.Path;

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
