using System.Globalization;
using Llama.Bench.Chaos;
using Llama.Bench.Processes;
using Llama.Grains.Hosting;

namespace Llama.Bench.Fuzz;

/// <summary><c>Llama.Bench fuzz</c>: whatever a client sends, a gateway answers, and stays as it is.</summary>
internal static class FuzzCommand
{
    private const double MostGrowth = 0.05;
    private const int Parts = 10;
    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>Runs it, and says after each tenth how far it is.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="output">Takes the report.</param>
    /// <param name="progress">Takes the progress.</param>
    /// <param name="stopping">Gives it up.</param>
    /// <returns>The exit code: 1 if anything went wrong.</returns>
    /// <exception cref="InvalidDataException">The gateway does not become ready.</exception>
    public static async Task<int> RunAsync(FuzzOptions options, TextWriter output, TextWriter progress, CancellationToken stopping)
    {
        int rpcPort = FreePort.Choose();
        var programs = new ClusterPrograms { Model = options.Model, Silos = 0, Port = FreePort.Choose() };
        ChildCommand command = programs.Gateway();
        using ChildProcess gateway = ChildProcess.Start(command with { Arguments = [.. command.Arguments, $"--grpc-port={rpcPort}"] }, (_, _) => { });
        using var client = new FuzzClient(new Uri(programs.Url), new Uri($"http://127.0.0.1:{rpcPort}"));
        await ReadyAsync(programs.Url, stopping).ConfigureAwait(false);
        var run = new FuzzRun(client, FuzzSeeds.All, options.Seed);
        double warm = 0;
        double size = 0;
        for (int part = 1; part <= Parts; part++)
        {
            await run.RunAsync(options.Requests / Parts, options.Clients, stopping).ConfigureAwait(false);
            size = Resident.Read(gateway.Id) ?? 0;

            // Until then code is compiled, weights are repacked and caches are filled.
            if (part == Parts / 2) warm = size;
            await progress.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{run.Done} requests, {run.Faults.Count} faults, {size:0.0} MiB")).ConfigureAwait(false);
        }

        double growth = (size / warm) - 1;
        foreach ((int status, int count) in run.Statuses.OrderBy(one => one.Key)) await output.WriteLineAsync($"{NameOf(status)}: {count}").ConfigureAwait(false);
        foreach (string fault in run.Faults) await output.WriteLineAsync(fault).ConfigureAwait(false);
        await output.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"{run.Done} requests, {run.Faults.Count} faults; resident memory {warm:0.0} MiB after the first half, {size:0.0} MiB at the end ({growth:+0.0%;-0.0%})")).ConfigureAwait(false);
        bool lives = !gateway.Exited.IsCompleted;
        await gateway.StopAsync().ConfigureAwait(false);
        return lives && run.Faults.IsEmpty && growth < MostGrowth ? 0 : 1;
    }

    private static string NameOf(int status) => status switch
    {
        0 => "closed without an answer",
        < 0 => $"grpc-status {-1 - status}",
        _ => $"HTTP {status}",
    };

    private static async Task ReadyAsync(string url, CancellationToken stopping)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        ending.CancelAfter(ReadyDeadline);
        while (true)
        {
            try
            {
                using HttpResponseMessage response = await http.GetAsync($"{url}/health", ending.Token).ConfigureAwait(false);
                if (response.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }
            catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
            {
                throw new InvalidDataException($"The gateway is not ready after {ReadyDeadline.TotalSeconds:0} s.");
            }

            await Task.Delay(Pause, stopping).ConfigureAwait(false);
        }
    }
}
