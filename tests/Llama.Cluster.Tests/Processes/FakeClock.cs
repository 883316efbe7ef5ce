using System.Globalization;
using Llama.Bench.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests.Processes;

/// <summary>
/// The wall clocks of processes, which can jump while they run: Debian's package <c>libfaketime</c>, loaded into each. Their monotonic
/// clocks go on, as they do when somebody sets a machine's time.
/// </summary>
internal sealed class FakeClock : IDisposable
{
    private static readonly string? Library = Path.Exists("/usr/lib")
        ? Directory.EnumerateDirectories("/usr/lib").Select(folder => Path.Combine(folder, "faketime", "libfaketimeMT.so.1")).FirstOrDefault(File.Exists)
        : null;

    /// <summary>In seconds: else each look at the clock would read the file.</summary>
    private const int CacheDuration = 1;

    private readonly TemporaryFolder folder = new();

    /// <summary>How soon a process that looks at its clock sees a jump.</summary>
    public static readonly TimeSpan Latency = TimeSpan.FromSeconds(CacheDuration + 1);

    /// <summary>Whether the library is there.</summary>
    public static bool IsThere => Library is not null;

    /// <summary>The command with a clock of its own, which shows the right time at first.</summary>
    public ChildCommand Of(ChildCommand command)
    {
        Jump(command.Name, TimeSpan.Zero);
        return command with
        {
            FileName = "/usr/bin/env",
            Arguments =
            [
                $"LD_PRELOAD={Library}", $"FAKETIME_TIMESTAMP_FILE={folder[command.Name]}", $"FAKETIME_CACHE_DURATION={CacheDuration}",
                "FAKETIME_DONT_FAKE_MONOTONIC=1", command.FileName, .. command.Arguments,
            ],
        };
    }

    /// <summary>Sets the clock of a process.</summary>
    /// <param name="name">The process.</param>
    /// <param name="ahead">What it shows more than the right time.</param>
    public void Jump(string name, TimeSpan ahead) =>
        File.WriteAllText(folder[name], ahead.TotalSeconds.ToString("+0;-0;+0", CultureInfo.InvariantCulture));

    public void Dispose() => folder.Dispose();
}
