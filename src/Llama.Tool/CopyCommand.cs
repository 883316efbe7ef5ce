using System.Globalization;
using Llama.Model.Checkpoints.Copying;

namespace Llama.Tool;

/// <summary><c>llama copy</c>: brings the layers of one silo to its machine.</summary>
internal static class CopyCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="options">What to copy where.</param>
    /// <param name="display">Shows how far it is.</param>
    /// <param name="cancellationToken">Interrupts it; the same command goes on.</param>
    public static void Run(CopyOptions options, ProgressDisplay display, CancellationToken cancellationToken)
    {
        (int first, int? end) = LayerRange.Parse(options.Layers);
        CopySummary summary = display.Show(progress =>
            CheckpointCopy.Copy(options.Model, first, end, options.Out, new PieceProgress(progress), cancellationToken));
        display.Say(Say(summary, options.Layers, options.Out));
    }

    /// <summary>What a copy has done, as a sentence.</summary>
    /// <param name="summary">What it did.</param>
    /// <param name="layers">The range of layers, or null for all.</param>
    /// <param name="folder">Where they are.</param>
    public static string Say(CopySummary summary, string? layers, string folder)
    {
        (int first, int? end) = LayerRange.Parse(layers);
        string which = end is null ? "All layers" : $"Layers {first} to {end - 1}";
        return $"{which} are in {folder}: {summary.Files} weight files, {Megabytes(summary.Copied)} MB copied,"
            + $" {Megabytes(summary.Checked)} MB checked that were there, {Megabytes(summary.LeftOut)} MB left out.";
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("N0", CultureInfo.InvariantCulture);
}

/// <summary>Shows pieces as work.</summary>
/// <param name="progress">Shows it.</param>
internal sealed class PieceProgress(IProgress<WorkProgress> progress) : IProgress<CopyProgress>
{
    /// <inheritdoc/>
    public void Report(CopyProgress value) => progress.Report(new(value.File, value.Done, value.Total));
}
