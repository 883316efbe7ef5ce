namespace Llama.AppHost.Tests;

public sealed class ChildSupervisorTests : IDisposable
{
    private readonly Lines _output = new();
    private readonly ImpatientTime _time = new();

    public void Dispose() => _output.Dispose();

    [Fact]
    public async Task RunAsync_ProcessKeepsDying_StartsAgainLaterEachTime()
    {
        ChildSupervisor supervisor = Supervise("echo broken; exit 3");
        int deaths = 0;

        ChildExit? exit = await supervisor.RunAsync(() => ++deaths < 4, TestContext.Current.CancellationToken);

        Assert.Equal(new ChildExit(3), exit);
        Assert.Equal([1, 2, 4], _time.Delays.Select(delay => delay.TotalSeconds));
    }

    [Fact]
    public async Task RunAsync_ProcessDies_ReportsExitCodeAndItsLastLines()
    {
        ChildSupervisor supervisor = Supervise("for i in $(seq 30); do echo line $i; done; exit 3");

        await supervisor.RunAsync(() => false, TestContext.Current.CancellationToken);

        Assert.Matches(@"^silo-1 died after \d+\.\d s: exit code 3\. Its last lines:$", _output.All[0]);
        Assert.Equal(Enumerable.Range(11, 20).Select(i => $"silo-1  | line {i}"), _output.All.Skip(1));
    }

    [Fact]
    public async Task RunAsync_WarningsAndErrors_AreShownAtOnceAndOnce()
    {
        ChildSupervisor supervisor = Supervise("echo info: fine; echo warn: odd; echo fail: bad; echo crit: worse; echo lost >&2; exit 3");

        await supervisor.RunAsync(() => false, TestContext.Current.CancellationToken);

        string[] shown = [.. _output.All];
        Assert.Equal(
            ["silo-1  | crit: worse", "silo-1  | fail: bad", "silo-1  | lost", "silo-1  | warn: odd"],
            shown[..4].Order(StringComparer.Ordinal));
        Assert.Equal(["silo-1  | info: fine"], shown[5..]);
    }

    [Fact]
    public async Task RunAsync_Verbose_ShowsEveryLineAtOnce()
    {
        ChildSupervisor supervisor = Supervise("echo info: fine; exit 3", verbose: true);

        await supervisor.RunAsync(() => false, TestContext.Current.CancellationToken);

        Assert.Equal("silo-1  | info: fine", _output.All[0]);
        Assert.Equal(2, _output.All.Count);
    }

    [Fact]
    public async Task RunAsync_Stopped_EndsTheProcessAndReportsNoDeath()
    {
        ChildSupervisor supervisor = Supervise("echo warn: $$; cat > /dev/null; echo warn: the others are gone");
        using var stopping = new CancellationTokenSource();
        Task<ChildExit?> running = supervisor.RunAsync(() => true, stopping.Token);
        await _output.WaitForAsync("warn: ");

        await stopping.CancelAsync();

        Assert.Null(await running);
        string line = Assert.Single(_output.All);
        Assert.False(Directory.Exists($"/proc/{line[(line.LastIndexOf(' ') + 1)..]}"));
    }

    [Fact]
    public async Task RunAsync_StoppedWhileItWaits_EndsAtOnce()
    {
        ChildSupervisor supervisor = new(ShellCommand.Create("exit 3"), new AppHostConsole(_output, false, false), TimeProvider.System);
        using var stopping = new CancellationTokenSource();
        Task<ChildExit?> running = supervisor.RunAsync(() => true, stopping.Token);
        await _output.WaitForAsync("silo-1 starts again in 2 s.");

        await stopping.CancelAsync();

        Assert.Null(await running.WaitAsync(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task RunAsync_ExecutableCannotBeStarted_IsReportedLikeADeath()
    {
        var supervisor = new ChildSupervisor(
            new ChildCommand("silo-1", "/no/such/program", []), new AppHostConsole(_output, false, false), _time);

        ChildExit? exit = await supervisor.RunAsync(() => false, TestContext.Current.CancellationToken);

        Assert.Equal(new ChildExit(127), exit);
        Assert.StartsWith("silo-1  | /no/such/program cannot be started: ", _output.All[0], StringComparison.Ordinal);
    }

    private ChildSupervisor Supervise(string script, bool verbose = false)
        => new(ShellCommand.Create(script), new AppHostConsole(_output, colours: false, verbose), _time);

    /// <summary>Notes every delay and does not wait for it.</summary>
    private sealed class ImpatientTime : TimeProvider
    {
        public List<TimeSpan> Delays { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Delays.Add(dueTime);
            return base.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
