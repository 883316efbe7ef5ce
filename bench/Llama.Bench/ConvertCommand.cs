using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using Llama.Grains.Settings;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;

namespace Llama.Bench;

/// <summary>The options of <c>convert</c>.</summary>
[Description("Turns a checkpoint into a GGUF file, with its tokenizer and chat template.")]
internal sealed record ConvertOptions
{
    /// <summary>The checkpoint.</summary>
    [Description("Folder or .gguf file of the checkpoint.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>Type of the weights.</summary>
    [Description("Type of the weights. Rows of matrices that it does not divide become what llama.cpp makes of them, at last f16; norms are always f32.")]
    [WeightType(writable: true)]
    public string Type { get; init; } = "q8_0";

    /// <summary>The file.</summary>
    [Description("GGUF file to write.")]
    [Required]
    public string Out { get; init; } = "";
}

/// <summary>Converts a checkpoint, and says how far it is.</summary>
internal static class ConvertCommand
{
    /// <summary>Runs the command.</summary>
    public static void Run(ConvertOptions options, CancellationToken cancellationToken)
    {
        WeightMix type = WeightTypeAttribute.Parse(options.Type);
        var watch = Stopwatch.StartNew();
        GgufConverter.Convert(options.Model, type, options.Out, new TensorLines(type), cancellationToken);
        Console.WriteLine($"{options.Out}: {new FileInfo(options.Out).Length:N0} bytes in {watch.Elapsed.TotalSeconds:F1} s");
    }

    /// <summary>A line a tensor, when it is begun.</summary>
    private sealed class TensorLines(WeightMix wanted) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value)
        {
            GgufTensor tensor = value.Tensor;
            string note = tensor.Shape.Count > 1 && tensor.Shape[^1] % wanted.Type.BlockElements() != 0
                ? $" (rows of {tensor.Shape[^1]} are no {wanted.Type} blocks)"
                : "";
            Console.WriteLine($"[{value.Number}/{value.Count}] {tensor.Name} {tensor.Type} {string.Join(" × ", tensor.Shape)}{note}");
        }
    }
}
