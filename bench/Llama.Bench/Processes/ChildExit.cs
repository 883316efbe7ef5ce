namespace Llama.Bench.Processes;

/// <summary>How a process ended.</summary>
/// <param name="Code">Its exit code.</param>
internal readonly record struct ChildExit(int Code)
{
    /// <summary>Code and, if a signal ended it, the signal's name. Unix reports signal n as 128 + n.</summary>
    public override string ToString()
        => !OperatingSystem.IsWindows() && SignalName(Code - 128) is { } signal ? $"exit code {Code} ({signal})" : $"exit code {Code}";

    private static string? SignalName(int signal) => signal switch
    {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 when OperatingSystem.IsLinux() => "SIGBUS",
        10 when OperatingSystem.IsMacOS() => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => null,
    };
}
