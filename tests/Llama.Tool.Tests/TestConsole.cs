using Llama.Tests;
using Spectre.Console;

namespace Llama.Tool.Tests;

/// <summary>A console whose output is kept.</summary>
internal sealed class TestConsole : IDisposable
{
    private readonly StringWriter writer = new();

    /// <param name="terminal">Whether it is a terminal.</param>
    public TestConsole(bool terminal = false) => Display = new(
        AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = terminal ? AnsiSupport.Yes : AnsiSupport.No,
            Interactive = terminal ? InteractionSupport.Yes : InteractionSupport.No,
        }),
        Time);

    public ManualTime Time { get; } = new();

    public ProgressDisplay Display { get; }

    public string Output => writer.ToString();

    public void Dispose() => writer.Dispose();
}
