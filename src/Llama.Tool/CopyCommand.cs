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
        (int first, int? end) = options.Range;
        CopySummary summary = display.Show(progress =>
            CheckpointCopy.Copy(options.Model, first, end, options.Out, new Pieces(progress), cancellationToken));
        string layers = end is null ? "All layers" : $"Layers {first} to {end - 1}";
        display.Say(
            $"{layers} are in {options.Out}: {summary.Files} weight files, {Megabytes(summary.Copied)} MB copied,"
            + $" {Megabytes(summary.Checked)} MB checked that were there, {Megabytes(summary.LeftOut)} MB left out.");
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("N0", CultureInfo.InvariantCulture);

    private sealed class Pieces(IProgress<WorkProgress> progress) : IProgress<CopyProgress>
    {
        public void Report(CopyProgress value) => progress.Report(new(value.File, value.Done, value.Total));
    }
}
