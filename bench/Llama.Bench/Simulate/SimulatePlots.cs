namespace Llama.Bench.Simulate;

/// <summary>The results of a table as plots: a line for each number of stages over the number of clients.</summary>
internal static class SimulatePlots
{
    /// <summary>Writes the plots as SVG files into a folder.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Write(IReadOnlyList<LoadResult> results, string folder)
    {
        Directory.CreateDirectory(folder);
        Write("throughput", "Generated tokens per second", result => result.TokensPerSecond, logarithmic: true);
        Write("busy", "Part of the time that a stage computes", result => result.Busy, logarithmic: false);
        Write("first-token", "Time to first token, median, seconds", result => result.FirstTokenSeconds.Median, logarithmic: true);
        Write("per-token", "Time per token after the first, median, seconds", result => result.TokenSeconds, logarithmic: true);

        void Write(string name, string title, Func<LoadResult, double> value, bool logarithmic)
        {
            IEnumerable<PlotLine> lines = results.GroupBy(result => result.Stages).Select(group => new PlotLine(
                group.Key == 1 ? "1 stage" : $"{group.Key} stages", [.. group.Select(result => ((double)result.Clients, value(result)))]));
            File.WriteAllText(Path.Combine(folder, $"simulated-{name}.svg"), SvgPlot.Draw(title, "clients", [.. lines], logarithmic));
        }
    }
}
