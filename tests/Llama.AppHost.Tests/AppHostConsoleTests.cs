namespace Llama.AppHost.Tests;

public sealed class AppHostConsoleTests : IDisposable
{
    private readonly Lines _output = new();

    public void Dispose() => _output.Dispose();

    [Fact]
    public void Say_Redirected_WritesNoEscapeCodes()
    {
        var console = new AppHostConsole(_output, colours: false, verbose: false);

        console.Say("ready", Tone.Strong);
        console.SayFor("silo-1", "warn: odd", Tone.Warning);

        Assert.Equal(["ready", "silo-1  | warn: odd"], _output.All);
    }

    [Fact]
    public void Say_Terminal_PaintsAndResets()
    {
        new AppHostConsole(_output, colours: true, verbose: false).Say("ready", Tone.Strong);

        Assert.Equal(["\e[1mready\e[0m"], _output.All);
    }
}
