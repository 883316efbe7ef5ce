namespace Llama.Bench.Chaos;

/// <summary><c>Llama.Bench chaos</c>: a cluster that is disturbed must not let its clients notice.</summary>
internal static class ChaosCommand
{
    /// <summary>Runs it.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="output">Takes the report.</param>
    /// <param name="progress">Takes the progress.</param>
    /// <param name="stopping">Gives it up.</param>
    /// <returns>The exit code: 1 if anything went wrong.</returns>
    /// <exception cref="InvalidDataException">The cluster does not serve even while nothing happens.</exception>
    public static async Task<int> RunAsync(ChaosOptions options, TextWriter output, TextWriter progress, CancellationToken stopping)
    {
        if (!OperatingSystem.IsLinux()) throw new InvalidDataException("chaos needs Linux: it sends signals and reads /proc.");
        using TextWriter log = options.Log is { } file ? new StreamWriter(file) : TextWriter.Null;
        ChaosReport report = await new ChaosRun(options, progress, log).RunAsync(stopping).ConfigureAwait(false);
        await output.WriteAsync(options.Json ? report.ToJson() + "\n" : report.ToTable()).ConfigureAwait(false);
        return report.Faults.Count == 0 ? 0 : 1;
    }
}
