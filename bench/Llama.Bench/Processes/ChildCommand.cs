using System.Diagnostics;
using System.Runtime.InteropServices;
using Llama.Grains.Hosting;

namespace Llama.Bench.Processes;

/// <summary>What to start, under the name by which it is reported.</summary>
/// <param name="Name">The name: <c>gateway</c> or <c>silo-1</c>.</param>
/// <param name="FileName">The executable.</param>
/// <param name="Arguments">Its arguments.</param>
internal sealed record ChildCommand(string Name, string FileName, IReadOnlyList<string> Arguments)
{
    /// <summary>A command that starts a .NET program that was built beside this one.</summary>
    /// <param name="name">The name by which it is reported.</param>
    /// <param name="program">The program's assembly name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <exception cref="FileNotFoundException">The program is not there.</exception>
    public static ChildCommand ForProgram(string name, string program, IReadOnlyList<string> arguments)
    {
        string executable = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? $"{program}.exe" : program);
        if (File.Exists(executable))
            return new(name, executable, arguments);

        string assembly = Path.Combine(AppContext.BaseDirectory, $"{program}.dll");
        return File.Exists(assembly)
            ? new(name, Path.Combine(DotnetFolder, "dotnet"), [assembly, .. arguments])
            : throw new FileNotFoundException($"{program} is not in {AppContext.BaseDirectory}; build the solution again.", assembly);
    }

    /// <summary>How to start it: input and output are pipes, and it is told to end when its input does.</summary>
    public ProcessStartInfo ToStartInfo()
    {
        var info = new ProcessStartInfo(FileName, Arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment[ParentWatch.Variable] = "1";
        // An executable looks for the runtime in the usual places only; this process may have been started from another one.
        info.Environment.TryAdd("DOTNET_ROOT", DotnetFolder);
        return info;
    }

    /// <summary>The installation that runs this process: the runtime lies in its <c>shared/Microsoft.NETCore.App/version</c>.</summary>
    private static string DotnetFolder => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
}
