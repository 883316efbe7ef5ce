using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using Llama.Bench.Processes;

namespace Llama.Bench.Tests.Processes;

public sealed class ChildProcessTests
{
    private readonly ConcurrentQueue<(string Line, bool IsError)> _lines = new();

    [Fact]
    public async Task Start_ProcessEnds_ReportsCodeAndBothOutputs()
    {
        using ChildProcess child = Start("echo one; echo two >&2; exit 3");

        Assert.Equal(new ChildExit(3), await child.Exited);
        Assert.Equal([("one", false), ("two", true)], _lines.OrderBy(line => line.IsError));
    }

    [Fact]
    public async Task Start_OutputWithoutEndOfLine_IsStillALine()
    {
        using ChildProcess child = Start("printf unfinished");

        await child.Exited;
        Assert.Equal([("unfinished", false)], _lines);
    }

    [Fact]
    public async Task Start_Process_IsToldToEndWithItsParent()
    {
        using ChildProcess child = Start("echo $LLAMA_EXIT_WITH_PARENT");

        await child.Exited;
        Assert.Equal([("1", false)], _lines);
    }

    [Fact]
    public void Start_NoSuchExecutable_Throws()
        => Assert.Throws<Win32Exception>(() => ChildProcess.Start(new ChildCommand("silo-1", "/no/such/program", []), (_, _) => { }));

    [Fact]
    public async Task Exited_ProcessIsKilled_NamesTheSignal()
    {
        using ChildProcess child = Start("kill -9 $$");

        Assert.Equal("exit code 137 (SIGKILL)", (await child.Exited).ToString());
    }

    [Fact]
    public async Task Exited_DescendantKeepsTheOutputOpen_DoesNotWaitForIt()
    {
        using ChildProcess child = Start("sleep 5 & exit 4");

        Assert.Equal(4, (await child.Exited.WaitAsync(TimeSpan.FromSeconds(4), TestContext.Current.CancellationToken)).Code);
    }

    [Fact]
    public async Task StopAsync_ProcessMindsItsInput_EndsByItself()
    {
        using ChildProcess child = Start("cat > /dev/null; exit 5");

        Assert.Equal(5, (await child.StopAsync()).Code);
    }

    [Fact]
    public async Task StopAsync_ProcessIgnoresItsInput_IsKilledWithinTwoSeconds()
    {
        using ChildProcess child = Start("exec sleep 60");
        var stopwatch = Stopwatch.StartNew();

        Assert.Equal(137, (await child.StopAsync()).Code);
        Assert.InRange(stopwatch.Elapsed, ChildProcess.StopGrace - TimeSpan.FromSeconds(0.1), TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task StopAsync_ProcessHasEnded_ReturnsItsExit()
    {
        using ChildProcess child = Start("exit 6");
        await child.Exited;

        Assert.Equal(6, (await child.StopAsync()).Code);
    }

    private ChildProcess Start(string script)
        => ChildProcess.Start(ShellCommand.Create(script), (line, isError) => _lines.Enqueue((line, isError)));
}
