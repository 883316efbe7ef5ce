using System.Diagnostics;

namespace Llama.Tests;

/// <summary>A program, run to its end.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Output">What it said on standard output.</param>
/// <param name="Error">What it said on standard error.</param>
internal sealed record ProgramRun(int Code, string Output, string Error)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>Runs a program that was built beside the tests.</summary>
    /// <param name="program">Its assembly's name.</param>
    /// <param name="arguments">Its command line.</param>
    public static Task<ProgramRun> OfAsync(string program, params string[] arguments) => OfAsync(program, arguments, "");

    /// <inheritdoc cref="OfAsync(string, string[])"/>
    /// <param name="program">Its assembly's name.</param>
    /// <param name="arguments">Its command line.</param>
    /// <param name="input">What it reads.</param>
    public static Task<ProgramRun> OfAsync(string program, string[] arguments, string input) =>
        RunAsync(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, $"{program}.dll"), .. arguments]), input);

    /// <summary>
    /// Runs a program in JavaScript. The test is skipped where its packages are not installed, and fails where it does not end well.
    /// </summary>
    /// <param name="folder">The program's folder, from that of the repository.</param>
    /// <param name="arguments">The program, and its command line.</param>
    /// <returns>What it said.</returns>
    public static async Task<string> OfNodeAsync(string folder, params string[] arguments)
    {
        string path = Path.Combine(TestPaths.Root, folder);
        Assert.SkipUnless(Directory.Exists(Path.Combine(path, "node_modules")), $"needs npm install in {path}");
        ProgramRun run = await RunAsync(new ProcessStartInfo("node", arguments) { WorkingDirectory = path }, "");
        Assert.True(run.Code == 0, run.Output + run.Error);
        return run.Output;
    }

    private static async Task<ProgramRun> RunAsync(ProcessStartInfo start, string input)
    {
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        ending.CancelAfter(Deadline);
        using var process = Process.Start(start)!;
        try
        {
            await process.StandardInput.WriteAsync(input.AsMemory(), ending.Token);
            process.StandardInput.Close();
            Task<string> error = process.StandardError.ReadToEndAsync(ending.Token);
            string output = await process.StandardOutput.ReadToEndAsync(ending.Token);
            await process.WaitForExitAsync(ending.Token);
            return new ProgramRun(process.ExitCode, output, await error);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
