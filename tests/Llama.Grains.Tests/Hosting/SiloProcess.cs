using System.Diagnostics;
using System.Globalization;
using System.Net;
using Llama.Grains.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Tests.Hosting;

/// <summary>A silo in a process of its own, whose primary, with the membership table, is one of the tests' process.</summary>
internal sealed class SiloProcess : IDisposable
{
    /// <summary>The first argument of the tests' program that makes it a silo.</summary>
    public const string Command = "silo";

    private readonly Process process;

    private SiloProcess(Process process) => this.process = process;

    public int Id => process.Id;

    public static SiloProcess Start(string name, IPEndPoint primary)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(typeof(SiloProcess).Assembly.Location);
        foreach (string argument in (string[])[Command, name, primary.ToString()]) start.ArgumentList.Add(argument);
        return new SiloProcess(Process.Start(start)!);
    }

    /// <summary>What the process holds after everything is thrown away that it can.</summary>
    public async Task<(int Incarnation, int Threads, int Sockets)> ReportAsync()
    {
        await process.StandardInput.WriteLineAsync().Soon();
        string line = await process.StandardOutput.ReadLineAsync(Patience.Token).Soon() ?? throw new EndOfStreamException();
        int[] numbers = [.. line.Split(' ').Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
        return (numbers[0], numbers[1], numbers[2]);
    }

    /// <summary>Asks it to end (SIGTERM) and waits until it has.</summary>
    /// <returns>Its exit code and the time that it took.</returns>
    public async Task<(int ExitCode, TimeSpan Time)> TerminateAsync()
    {
        long start = Stopwatch.GetTimestamp();
        using Process kill = Process.Start("/bin/sh", ["-c", $"kill -TERM {process.Id}"]);
        await process.WaitForExitAsync(Patience.Token).Soon();
        return (process.ExitCode, Stopwatch.GetElapsedTime(start));
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }

    /// <summary>The process itself: a host with its console and its signals around the silo.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        IPEndPoint primary = IPEndPoint.Parse(args[1]);
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddConfiguration(TestSilos.Configuration);
        builder.Services.AddSingleton(services => new OrleansSilo(
            new OrleansSiloSettings
            {
                Name = args[0],
                Role = "worker",
                Version = "1.2.3",
                Configuration = builder.Configuration,
                Key = TestSilos.Key,
                Configure = silo => silo.UseDevelopmentClustering(primary),
            },
            services.GetRequiredService<ILoggerFactory>(), TimeProvider.System));
        builder.Services.AddHostedService(services => services.GetRequiredService<OrleansSilo>());
        using IHost host = builder.Build();
        OrleansSilo silo = host.Services.GetRequiredService<OrleansSilo>();
        var reporting = new Thread(() => Report(silo)) { IsBackground = true };
        reporting.Start();
        await host.RunAsync();
        return 0;
    }

    private static void Report(OrleansSilo silo)
    {
        while (Console.ReadLine() is not null)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var self = Process.GetCurrentProcess();
            int sockets = new DirectoryInfo("/proc/self/fd").EnumerateFiles().Count(
                file => file.LinkTarget?.StartsWith("socket", StringComparison.Ordinal) == true);
            Console.WriteLine($"{silo.Incarnation?.Number ?? 0} {self.Threads.Count} {sockets}");
        }

        // The tests' process is gone, however it ended; what reads its errors would wait for this one, which has them, too.
        Environment.Exit(1);
    }
}
