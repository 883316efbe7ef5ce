using System.Globalization;
using Aspire.Hosting.ApplicationModel;
using Llama.Tests;

namespace Llama.AppHost.Tests;

public sealed class ProgramLifeTests : IDisposable
{
    private readonly Lines _output = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _output.Dispose();

    [Fact]
    public void Take_ProcessKeepsDying_IsToBeStartedLaterEachTime()
    {
        ProgramLife life = Life();
        List<double> delays = [];
        for (int start = 0; start < 4; start++)
        {
            life.Take(KnownResourceStates.Starting, null, 77);
            life.Take(KnownResourceStates.Running, null, 77);
            _time.Advance(TimeSpan.FromSeconds(2));
            ProgramEnd end = life.Take(KnownResourceStates.Finished, 3, 77)!;
            Assert.Equal((TimeSpan.FromSeconds(2), 3), (end.Ran, end.ExitCode));
            delays.Add(end.Delay.TotalSeconds);
        }

        Assert.Equal([1, 2, 4, 8], delays);
    }

    [Fact]
    public void Take_SameStateAgain_IsNoNewEnd()
    {
        ProgramLife life = Life();
        life.Take(KnownResourceStates.Running, null, 77);

        Assert.Equal((true, 77), (life.Runs, life.ProcessId));
        Assert.NotNull(life.Take(KnownResourceStates.Finished, -1, null));
        Assert.False(life.Runs);
        Assert.Null(life.Take(KnownResourceStates.Finished, -1, 77));
    }

    [Fact]
    public void Take_CannotBeStarted_IsAnEnd()
    {
        ProgramLife life = Life();
        life.Take(KnownResourceStates.Starting, null, 77);

        Assert.Equal(TimeSpan.Zero, life.Take(KnownResourceStates.FailedToStart, null, 77)!.Ran);
    }

    [Fact]
    public void Take_StoppedByTheUser_IsNoDeath()
    {
        ProgramLife life = Life();
        life.Take(KnownResourceStates.Running, null, 77);
        life.Take(KnownResourceStates.Stopping, null, 77);

        Assert.Null(life.Take(KnownResourceStates.Finished, -1, 77));
        life.Take(KnownResourceStates.Starting, null, 77);
        life.Take(KnownResourceStates.Running, null, 77);
        Assert.NotNull(life.Take(KnownResourceStates.Finished, -1, 77));
    }

    [Theory]
    [InlineData(3, "exit code 3")]
    [InlineData(-1, "a signal ended it")]
    [InlineData(null, "a signal ended it")]
    public async Task Report_ItsLastTwentyLinesWithoutAspiresTimes(int? code, string how)
    {
        ProgramLife life = Life();
        await FollowAsync(life, [.. Enumerable.Range(1, 30).Select(i => $"line {i}")]);

        life.Report(new ProgramEnd(TimeSpan.FromSeconds(4.21), code, TimeSpan.Zero));

        Assert.Equal($"silo-1 died after 4.2 s: {how}. Its last lines:", _output.All[0]);
        Assert.Equal(Enumerable.Range(11, 20).Select(i => $"silo-1  | line {i}"), _output.All.Skip(1));
    }

    [Fact]
    public async Task FollowAsync_WarningsAndErrors_AreShownAtOnceAndOnce()
    {
        ProgramLife life = Life();
        await FollowAsync(life, ["info: fine", "warn: odd", "fail: bad", "crit: worse", "!lost"]);

        Assert.Equal(["silo-1  | warn: odd", "silo-1  | fail: bad", "silo-1  | crit: worse", "silo-1  | lost"], _output.All);
        life.Report(new ProgramEnd(default, 1, default));
        Assert.Equal(["silo-1  | info: fine"], _output.All.Skip(5));
    }

    [Fact]
    public async Task FollowAsync_LinesOfJson_AreShownByTheirLevel()
    {
        const string Warning = """{"Timestamp":"2026-11-30T03:00:00.000Z","EventId":2,"LogLevel":"Warning","Category":"Llama.Silo","Message":"odd"}""";
        const string Quoting = """{"EventId":1,"LogLevel":"Information","Message":"\u0022LogLevel\u0022:\u0022Error\u0022"}""";
        ProgramLife life = Life();
        await FollowAsync(life, [Warning, Quoting, "\"LogLevel\":\"Error\""]);

        Assert.Equal([$"silo-1  | {Warning}"], _output.All);
    }

    [Fact]
    public async Task FollowAsync_BeforeErrorsAreShown_TheyWaitForItsEnd()
    {
        ProgramLife life = Life();
        await FollowAsync(life, ["!lost"], showsErrors: false);

        Assert.Empty(_output.All);
        life.Report(new ProgramEnd(default, 1, default));
        Assert.Equal("silo-1  | lost", _output.All[1]);
    }

    [Fact]
    public async Task FollowAsync_Verbose_ShowsEveryLineAtOnce()
    {
        await FollowAsync(Life(verbose: true), ["info: fine", "[sys] Starting process...: Cmd = x"]);

        Assert.Equal(["silo-1  | info: fine"], _output.All);
    }

    [Fact]
    public async Task Report_LinesOfAspireBeforeTheStart_AreNotTheProcesss()
    {
        ProgramLife life = Life();
        await FollowAsync(life, ["No custom certificate authorities", "[sys] Starting process...: Cmd = x", "info: fine"]);

        life.Report(new ProgramEnd(default, 1, default));
        Assert.Equal(["silo-1  | info: fine"], _output.All.Skip(1));
    }

    private ProgramLife Life(bool verbose = false) => new("silo-1", new AppHostConsole(_output, colours: false, verbose), _time);

    /// <summary>Lines as Aspire gives them, with a time before each; an exclamation mark stands for standard error.</summary>
    private static Task FollowAsync(ProgramLife life, string[] lines, bool showsErrors = true) => life.FollowAsync(
        Batches(lines), () => showsErrors, TestContext.Current.CancellationToken);

    private static async IAsyncEnumerable<IReadOnlyList<LogLine>> Batches(string[] lines)
    {
        await Task.Yield();
        string time = new DateTime(2026, 11, 30, 3, 0, 0, DateTimeKind.Utc).ToString("O", CultureInfo.InvariantCulture);
        foreach (string[] batch in lines.Chunk(3))
            yield return [.. batch.Select((line, i) => new LogLine(i, $"{time} {line.TrimStart('!')}", line[0] == '!'))];
    }
}
