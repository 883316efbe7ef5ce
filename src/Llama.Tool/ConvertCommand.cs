using System.Diagnostics;
using Llama.Grains.Settings;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;

namespace Llama.Tool;

/// <summary><c>llama convert</c>: turns a checkpoint into a GGUF file.</summary>
internal static class ConvertCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="options">What to convert into what.</param>
    /// <param name="display">Shows how far it is.</param>
    /// <param name="cancellationToken">Ends it; no file is left.</param>
    public static void Run(ConvertOptions options, ProgressDisplay display, CancellationToken cancellationToken)
    {
        WeightMix type = WeightTypeAttribute.Parse(options.Type);
        var watch = Stopwatch.StartNew();
        long bytes = display.Show(progress =>
        {
            GgufConverter.Convert(options.Model, type, options.Out, new TensorProgress(type, progress), cancellationToken);
            return new FileInfo(options.Out).Length;
        });
        display.Say($"{options.Out}: {bytes:N0} bytes in {watch.Elapsed.TotalSeconds:F1} s");
    }
}
