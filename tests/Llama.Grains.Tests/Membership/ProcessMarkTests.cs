using System.Diagnostics;
using System.Globalization;
using Llama.Grains.Membership;

namespace Llama.Grains.Tests.Membership;

public sealed class ProcessMarkTests
{
    [Fact]
    public void IsGone_ProcessThatLives_IsFalse()
    {
        Assert.Equal(Environment.ProcessId, ProcessMark.Own!.Pid);
        Assert.False(ProcessMark.Own.IsGone);
        Assert.Equal(ProcessMark.Own, ProcessMark.Of(Environment.ProcessId));
    }

    [Fact]
    public void IsGone_ProcessThatWasKilled_IsTrue()
    {
        using Process process = Process.Start("sleep", "60");
        ProcessMark mark = ProcessMark.Of(process.Id)!;
        Assert.False(mark.IsGone);

        process.Kill();
        process.WaitForExit();

        Assert.True(mark.IsGone);
        Assert.Null(ProcessMark.Of(process.Id));
    }

    [Fact]
    public async Task IsGone_ProcessThatHasEndedAndWaitsForItsParent_IsTrue()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");

        // The shell becomes a program that never asks for its children. Before that it may still do so itself.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "sleep 60 & echo $!; exec sleep 60"]) { RedirectStandardOutput = true };
        using Process parent = Process.Start(start)!;
        int pid = int.Parse((await parent.StandardOutput.ReadLineAsync(Patience.Token))!, CultureInfo.InvariantCulture);
        string Program() => System.IO.File.ReadAllText($"/proc/{parent.Id}/comm").Trim();
        await Patience.UntilAsync(() => Program() == "sleep", () => $"it is still {Program()}");
        ProcessMark mark = ProcessMark.Of(pid)!;
        Assert.False(mark.IsGone);

        using (var child = Process.GetProcessById(pid)) child.Kill();
        await Patience.UntilAsync(() => mark.IsGone, () => "still there");

        Assert.True(System.IO.Directory.Exists($"/proc/{pid}"));
        parent.Kill();
    }

    [Fact]
    public void IsGone_IdThatAnotherProcessHasNow_IsTrue() => Assert.True((ProcessMark.Own! with { Started = "1" }).IsGone);

    [Fact]
    public void IsGone_ProcessThatCannotBeSeenFromHere_IsFalse()
    {
        ProcessMark gone = ProcessMark.Own! with { Started = "1" };
        Assert.False((gone with { Boot = "another boot" }).IsGone);
        Assert.False((gone with { Space = "another namespace" }).IsGone);
    }
}
