using System.Diagnostics;

namespace Llama.Tests;

/// <summary>A program that was built beside the tests, run to its end.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Output">What it said on standard output.</param>
/// <param name="Error">What it said on standard error.</param>
internal sealed record ProgramRun(int Code, string Output, string Error)
{
    /// <summary>Runs a program.</summary>
    /// <param name="program">Its assembly's name.</param>
    /// <param name="arguments">Its command line.</param>
    public static async Task<ProgramRun> OfAsync(string program, params string[] arguments)
    {
        string assembly = Path.Combine(AppContext.BaseDirectory, $"{program}.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [assembly, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return new ProgramRun(process.ExitCode, output, await error);
    }
}
