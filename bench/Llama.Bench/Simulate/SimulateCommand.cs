using System.Globalization;

namespace Llama.Bench.Simulate;

/// <summary><c>Llama.Bench simulate</c>: the scheduler in virtual time.</summary>
internal static class SimulateCommand
{
    private const int ArrivalsOfAWorld = 1000;

    /// <summary>Prints a table, or explores.</summary>
    /// <exception cref="InvalidDataException">The scheduler did something wrong.</exception>
    public static void Run(SimulateOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        if (options.Explore > 0) Explore(options, output, cancellationToken);
        else Tabulate(options, output, cancellationToken);
    }

    private static void Explore(SimulateOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        var all = new ExplorationResult(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        for (int done = 0; done < options.Explore; done += ArrivalsOfAWorld)
        {
            cancellationToken.ThrowIfCancellationRequested();
            all += Exploration.Run(options.Seed + (done / ArrivalsOfAWorld), Math.Min(ArrivalsOfAWorld, options.Explore - done));
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{all.Completed} requests complete, {all.Cancelled} cancelled, {all.Refused} refused or late; {all.Steps} steps,"
            + $" {all.Preemptions} preemptions, {all.Losses} lost pipelines, {all.Repartitions} repartitioned, {all.Rebuilt} rebuilt positions,"
            + $" {all.CachedTokens} cached tokens, {all.Copies} copied blocks."
            + $" Every token was the right one."));
    }

    private static void Tabulate(SimulateOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        output.WriteLine("stages  clients   tokens/s    busy  first token p50      p99  per token  running  wasted    free  preempted");
        var results = new List<LoadResult>();
        foreach (int stages in options.StageCounts)
        {
            foreach (int clients in options.ClientCounts)
            {
                cancellationToken.ThrowIfCancellationRequested();
                LoadResult result = LoadSimulation.Run(options, stages, clients);
                results.Add(result);
                output.WriteLine(Row(result));
            }
        }

        if (options.Plots is { } folder) SimulatePlots.Write(results, folder);
    }

    private static string Row(LoadResult result) => string.Create(
        CultureInfo.InvariantCulture,
        $"{result.Stages,6}  {result.Clients,7}  {result.TokensPerSecond,9:N1}  {result.Busy,6:P1}"
        + $"  {Time(result.FirstTokenSeconds.Median),15}  {Time(result.FirstTokenSeconds.P99),7}  {Time(result.TokenSeconds),9}"
        + $"  {result.Running,7:N0}  {result.Wasted,6:P1}  {result.Free,6:P1}  {result.Preemptions,9:N3}");

    private static string Time(double seconds) => seconds < 10
        ? string.Create(CultureInfo.InvariantCulture, $"{seconds * 1000:N0} ms")
        : string.Create(CultureInfo.InvariantCulture, $"{seconds:N0} s");
}
