using System.Diagnostics;
using System.Globalization;
using Llama.Bench.Chaos;
using Llama.Grains.Gateway;
using Llama.Grains.Settings;

namespace Llama.Bench.Schemas;

/// <summary><c>Llama.Bench schemas</c>: answers by random schemas end and are valid, also where a silo is killed in their midst.</summary>
internal sealed class SchemasCommand(SchemasOptions options, TextWriter progress, TextWriter log)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private static readonly ByteSize KvMemory = new(64L << 20);

    private readonly List<string> faults = [];
    private int asked;
    private int impossible;
    private int ended;
    private int cutOff;
    private int killed;
    private int inTheMidst;
    private long tokens;

    /// <summary>Runs it.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="output">Takes the report.</param>
    /// <param name="progress">Takes the progress.</param>
    /// <param name="stopping">Gives it up.</param>
    /// <returns>The exit code: 1 if anything went wrong.</returns>
    /// <exception cref="InvalidDataException">The cluster does not serve.</exception>
    public static async Task<int> RunAsync(SchemasOptions options, TextWriter output, TextWriter progress, CancellationToken stopping)
    {
        if (!OperatingSystem.IsLinux()) throw new InvalidDataException("schemas needs Linux: it sends signals.");
        using TextWriter log = options.Log is { } file ? new StreamWriter(file) : TextWriter.Null;
        var command = new SchemasCommand(options, progress, log);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llama-schemas-");
        try
        {
            await command.RunAsync(Path.Combine(folder.FullName, "members"), stopping).ConfigureAwait(false);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        await output.WriteLineAsync(command.Summary).ConfigureAwait(false);
        foreach (string fault in command.faults) await output.WriteLineAsync($"FAULT {fault}").ConfigureAwait(false);
        return command.faults.Count == 0 ? 0 : 1;
    }

    private string Summary => string.Create(CultureInfo.InvariantCulture,
        $"{asked} schemas, {impossible} without a text; {ended} answers ended and are valid, {cutOff} are the beginning of a valid one;"
        + $" {tokens / (double)Math.Max(1, ended + cutOff):F0} tokens an answer. {killed} answered again while a silo was killed, {inTheMidst} of them in"
        + $" their midst. {faults.Count} faults");

    private async Task RunAsync(string address, CancellationToken stopping)
    {
        var cluster = new ChaosCluster(
            new ChaosOptions { Model = options.Model, Silos = options.Silos, Standbys = options.Standbys, KvMemory = KvMemory, Cluster = address },
            Say, Fault);
        await using (cluster.ConfigureAwait(false))
        {
            using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = cluster.Addresses[0], Timeout = Deadline };
            await cluster.ReadyAsync(stopping).ConfigureAwait(false);
            (SchemaRequest Request, SchemaAnswer Answer)? longest = null;
            var watch = Stopwatch.StartNew();
            for (int number = 1; number <= options.Count; number++)
            {
                var request = SchemaRequest.Make(unchecked((options.Seed * 1_000_003) + number) & int.MaxValue, options.Generate);
                asked++;
                SchemaAnswer? answer = await SchemaAnswer.AskAsync(http, request, _ => { }, stopping).ConfigureAwait(false);
                if (answer is null) impossible++;
                else Judge(number, request, answer);
                if (answer is not null && (longest is null || answer.Tokens.Count > longest.Value.Answer.Tokens.Count)) longest = (request, answer);
                if (options.KillEvery == 0 || number % options.KillEvery != 0 || longest is not { } victim) continue;
                await DisturbAsync(cluster, http, victim.Request, victim.Answer, stopping).ConfigureAwait(false);
                longest = null;
                await progress.WriteLineAsync($"{watch.Elapsed.TotalSeconds,5:F0} s: {Summary}").ConfigureAwait(false);
            }

            await cluster.StopAsync().ConfigureAwait(false);
        }
    }

    private void Judge(int number, SchemaRequest request, SchemaAnswer answer)
    {
        tokens += answer.Tokens.Count;
        if (SchemaJudge.FindFault(request.Schema, answer, new Random(number)) is { } fault)
            Fault($"schema {number}, {request.Schema.ToJsonString()}: the answer ({answer.Finish}) {fault}");
        else if (answer.Finish == "stop") ended++;
        else cutOff++;
    }

    /// <summary>Asks again, and kills the silo of one stage after another when half of the tokens have come.</summary>
    private async Task DisturbAsync(ChaosCluster cluster, HttpClient http, SchemaRequest request, SchemaAnswer expected, CancellationToken stopping)
    {
        ClusterStatus status = await cluster.StatusAsync(stopping).ConfigureAwait(false);
        var stages = status.Pipelines[0].Stages;
        string name = stages[killed++ % stages.Count].Silo;
        var kill = new ChaosEvent(default, default, ChaosAction.Kill, int.Parse(name.AsSpan("silo-".Length), CultureInfo.InvariantCulture));
        Task? killing = null;
        int before = 0;
        SchemaAnswer? answer = await SchemaAnswer.AskAsync(http, request, count =>
        {
            before = count;
            if (killing is null && count * 2 >= expected.Tokens.Count) killing = KillAsync();
        }, stopping).ConfigureAwait(false);
        if (killing is null || answer is null || !answer.IsSameAs(expected))
            Fault($"{name} killed: {request.Schema.ToJsonString()}: another answer: {answer}; expected {expected}");
        if (killing is not null) await killing.ConfigureAwait(false);
        await cluster.ReadyAsync(stopping).ConfigureAwait(false);

        async Task KillAsync()
        {
            await cluster.BeginAsync(kill).ConfigureAwait(false);
            if (before < expected.Tokens.Count) inTheMidst++;
            await cluster.EndAsync(kill).ConfigureAwait(false);
        }
    }

    private void Say(string line)
    {
        lock (log) log.WriteLine(line);
    }

    private void Fault(string fault)
    {
        Say($"FAULT {fault}");
        lock (faults) faults.Add(fault);
    }
}
