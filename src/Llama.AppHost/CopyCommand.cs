using System.Globalization;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Copying;

namespace Llama.AppHost;

/// <summary><c>Llama.AppHost copy</c>: brings the layers of one silo to its machine.</summary>
internal static class CopyCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="options">What to copy where.</param>
    /// <param name="output">Told how far it is.</param>
    /// <param name="error">Told what is wrong.</param>
    /// <param name="time">Measures the pauses between lines.</param>
    /// <param name="cancellationToken">Interrupts it.</param>
    /// <returns>The exit code.</returns>
    public static int Run(
        CopyOptions options, TextWriter output, TextWriter error, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            (int first, int? end) = options.Range;
            CopySummary summary = CheckpointCopy.Copy(
                options.Model, first, end, options.Out, new ProgressLines(output, time), cancellationToken);
            string layers = end is null ? "All layers" : $"Layers {first} to {end - 1}";
            output.WriteLine(
                $"{layers} are in {options.Out}: {summary.Files} weight files, {Megabytes(summary.Copied)} MB copied,"
                + $" {Megabytes(summary.Checked)} MB checked that were there, {Megabytes(summary.LeftOut)} MB left out.");
            return 0;
        }
        catch (OperationCanceledException)
        {
            error.WriteLine("Interrupted; the same command goes on from here.");
            return 1;
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"Not copied: {e.Message}");
            return 1;
        }
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A line when a file is begun, and every few seconds.</summary>
    private sealed class ProgressLines(TextWriter output, TimeProvider time) : IProgress<CopyProgress>
    {
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

        private string? file;
        private long saidAt;

        public void Report(CopyProgress value)
        {
            if (value.File == file && time.GetElapsedTime(saidAt) < Pause) return;
            (file, saidAt) = (value.File, time.GetTimestamp());
            output.WriteLine($"{value.File}: {Megabytes(value.Done)} of {Megabytes(value.Total)} MB in all");
        }
    }
}
