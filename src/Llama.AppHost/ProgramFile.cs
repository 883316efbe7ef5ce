using System.Runtime.InteropServices;

namespace Llama.AppHost;

/// <summary>The programs that were built beside this one.</summary>
internal static class ProgramFile
{
    /// <summary>The installation that runs this process: the runtime lies in its <c>shared/Microsoft.NETCore.App/version</c>.</summary>
    public static string DotnetFolder { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    /// <summary>What to start for a program: its executable, or <c>dotnet</c> and its assembly where it was built without one.</summary>
    /// <param name="program">The program's assembly name.</param>
    /// <returns>The file, and the arguments that come before the program's own.</returns>
    /// <exception cref="FileNotFoundException">The program is not there.</exception>
    public static (string File, string[] Before) Find(string program)
    {
        string executable = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? $"{program}.exe" : program);
        if (File.Exists(executable))
            return (executable, []);

        string assembly = Path.Combine(AppContext.BaseDirectory, $"{program}.dll");
        return File.Exists(assembly)
            ? (Path.Combine(DotnetFolder, "dotnet"), [assembly])
            : throw new FileNotFoundException($"{program} is not in {AppContext.BaseDirectory}; build the solution again.", assembly);
    }
}
