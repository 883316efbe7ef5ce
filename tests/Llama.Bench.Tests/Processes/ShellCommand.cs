using Llama.Bench.Processes;

namespace Llama.Bench.Tests.Processes;

/// <summary>Real processes to supervise.</summary>
internal static class ShellCommand
{
    public static ChildCommand Create(string script)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs /bin/sh");
        return new ChildCommand("silo-1", "/bin/sh", ["-c", script]);
    }
}
