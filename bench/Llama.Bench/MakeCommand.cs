using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Llama.Grains.Settings;
using Llama.Model;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;

namespace Llama.Bench;

/// <summary>The options of <c>make</c>.</summary>
[Description("Writes a GGUF file of random weights in the shape of a released model.")]
internal sealed record MakeOptions : IValidatableObject
{
    /// <summary>Name of the shape.</summary>
    [Description("Shape: stories110m, llama-3.2-1b, llama-3-8b, llama-2-13b or llama-3-70b.")]
    [Required]
    public string Shape { get; init; } = "";

    /// <summary>Type of the weights.</summary>
    [Description("Type of the weights. Rows that it does not divide become q8_0 or else f16; norms are always f32.")]
    [WeightType(writable: false)]
    public string Type { get; init; } = "q8_0";

    /// <summary>The file.</summary>
    [Description("GGUF file to write.")]
    [Required]
    public string Out { get; init; } = "";

    /// <summary>Seed of the weights.</summary>
    [Description("Seed of the weights: the same one gives the same file.")]
    [Range(0, int.MaxValue)]
    public int Seed { get; init; } = 1;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Shape.Length > 0 && !ModelShapes.ByName.ContainsKey(Shape))
            yield return new ValidationResult($"is no shape; expected one of {string.Join(", ", ModelShapes.ByName.Keys)}", [nameof(Shape)]);
    }
}

/// <summary>Writes random weights, and says how far it is.</summary>
internal static class MakeCommand
{
    private const int ChunkBlocks = 1 << 15;

    /// <summary>Runs the command.</summary>
    public static void Run(MakeOptions options, CancellationToken cancellationToken)
    {
        ModelConfig config = ModelShapes.ByName[options.Shape];
        WeightMix type = WeightTypeAttribute.Parse(options.Type);
        var watch = Stopwatch.StartNew();
        Write(config, options.Shape, type, options.Seed, options.Out, Console.WriteLine, cancellationToken);
        Console.WriteLine($"{options.Out}: {new FileInfo(options.Out).Length:N0} bytes in {watch.Elapsed.TotalSeconds:F1} s");
    }

    /// <summary>Writes a file.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="name">What the model is called.</param>
    /// <param name="type">Type of the weights.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="output">The file.</param>
    /// <param name="say">Told of each tensor.</param>
    /// <param name="cancellationToken">Ends it; no file is left.</param>
    public static void Write(
        ModelConfig config, string name, WeightMix type, int seed, string output, Action<string> say, CancellationToken cancellationToken)
    {
        IReadOnlyList<GgufTensor> tensors = GgufLayout.Tensors(config, type);
        using var writer = new GgufWriter(
            output, [.. GgufLayout.Metadata(config, name, type), .. SyntheticVocabulary.Metadata(config.VocabSize)], tensors);
        var random = new RandomWeights((ulong)seed);
        float[] ones = [.. Enumerable.Repeat(1f, Math.Max(config.Dim, config.HeadDim))];
        for (int number = 0; number < tensors.Count; number++)
        {
            GgufTensor tensor = tensors[number];
            say($"[{number + 1}/{tensors.Count}] {tensor.Name} {tensor.Type} {string.Join(" × ", tensor.Shape)}");
            if (tensor.Shape is [var length])
            {
                writer.Write(GgufLayout.RopeFactors(config) is { } factors && number == 0
                    ? MemoryMarshal.AsBytes(factors.Values)
                    : MemoryMarshal.AsBytes(ones.AsSpan(0, length)));
                continue;
            }

            byte[] chunk = new byte[ChunkBlocks * tensor.Type.BlockBytes()];
            for (long left = tensor.Bytes; left > 0; left -= chunk.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Span<byte> part = chunk.AsSpan(0, (int)Math.Min(left, chunk.Length));
                random.Fill(tensor.Type, part);
                writer.Write(part);
            }
        }

        writer.Complete();
    }
}
