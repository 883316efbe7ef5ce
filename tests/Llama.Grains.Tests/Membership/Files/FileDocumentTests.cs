using System.Diagnostics;
using Llama.Grains.Membership;
using Llama.Grains.Membership.Files;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership.Files;

public sealed class FileDocumentTests : MembershipTableContract
{
    private const string WorkerVariable = "TEST_DOCUMENT_ROOT";
    private const int Increments = 100;

    private readonly TemporaryFolder folder = new();
    private readonly ManualTime time = new();

    private string Root => folder["root"];

    private string Cluster => Path.Combine(Root, "llama");

    public override ValueTask DisposeAsync()
    {
        folder.Dispose();
        return base.DisposeAsync();
    }

    [Fact]
    public async Task Open_NoRoot_MakesOneForItsOwner()
    {
        using var first = new FileDocument(Root, "llama", TimeProvider.System);
        using var second = new FileDocument(Root, "llama", TimeProvider.System);

        Assert.True(first.IsNewStore);
        Assert.False(second.IsNewStore);
        Assert.Null((await first.ReadAsync(Patience.Token)).Text);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Root));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void Open_RootThatOthersCanWriteTo_IsRefusedByName(UnixFileMode mode)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("folders of a user are closed to others there");
            return;
        }

        System.IO.Directory.CreateDirectory(Root);
        File.SetUnixFileMode(Root, File.GetUnixFileMode(Root) | mode);

        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => new FileDocument(Root, "llama", TimeProvider.System));

        Assert.Contains(Root, fault.Message, StringComparison.Ordinal);
        Assert.Contains("can be written to by others", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_RootOfAnotherUser_IsRefusedByName()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root")
        {
            Assert.Skip("only root can give a folder to another user");
            return;
        }

        System.IO.Directory.CreateDirectory(Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using (var chown = Process.Start("chown", ["12345", Root])) chown.WaitForExit();

        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => new FileDocument(Root, "llama", TimeProvider.System));

        Assert.Contains($"'{Root}' belongs to user 12345", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../llama")]
    [InlineData(".")]
    [InlineData("")]
    public void Open_ClusterThatIsNoFolderName_IsRefused(string cluster) =>
        Assert.Throws<InvalidDataException>(() => new FileDocument(Root, cluster, TimeProvider.System));

    [Fact]
    public async Task Read_RootGone_IsAwayUntilItIsBack()
    {
        using IMembershipDocument document = await OpenAsync();
        StoredDocument none = await document.ReadAsync(Patience.Token);
        Assert.True(await document.TryWriteAsync("1", none.Revision, "1", Patience.Token));

        System.IO.Directory.Move(Root, folder["away"]);
        await Assert.ThrowsAsync<MembershipStoreException>(() => document.ReadAsync(Patience.Token));
        await Assert.ThrowsAsync<MembershipStoreException>(() => document.TryWriteAsync("2", "1", "2", Patience.Token));
        Assert.False(System.IO.Directory.Exists(Root));
        System.IO.Directory.Move(folder["away"], Root);

        Assert.Equal("1", (await document.ReadAsync(Patience.Token)).Text);
    }

    [Fact]
    public async Task Write_StoodStillUntilItsNumberWasUsedAndCleaned_IsRefused()
    {
        using IMembershipDocument document = await OpenAsync();
        await IncrementAsync(document, 3);
        StoredDocument third = await document.ReadAsync(Patience.Token);
        await IncrementAsync(document, 20);
        StoredDocument newest = await document.ReadAsync(Patience.Token);

        // The third revision is still there, the fourth is not: so it is when the writer looked at the one and others cleaned the other.
        File.Delete(Path.Combine(Cluster, "000000000004.json"));
        Assert.False(await document.TryWriteAsync("stale", third.Revision, "stale", Patience.Token));

        Assert.True(File.Exists(Path.Combine(Cluster, "000000000004.json")));
        Assert.Equal(newest, await document.ReadAsync(Patience.Token));
    }

    [Fact]
    public async Task Write_After30Seconds_DeletesOldRevisionsAndWhatDeadWritersLeft()
    {
        time.Advance(DateTimeOffset.UtcNow - time.GetUtcNow());
        using var document = new FileDocument(Root, "llama", time);
        await IncrementAsync(document, 20);
        await File.WriteAllTextAsync(Path.Combine(Cluster, "left.tmp"), "half", Patience.Token);
        Assert.Equal(21, System.IO.Directory.GetFiles(Cluster).Length);

        time.Advance(TimeSpan.FromSeconds(31));
        await IncrementAsync(document, 1);

        Assert.Equal(
            Enumerable.Range(14, 8).Select(number => $"{number:D12}.json"),
            System.IO.Directory.GetFiles(Cluster).Select(file => Path.GetFileName(file)!).Order());
        Assert.StartsWith("21 ", (await document.ReadAsync(Patience.Token)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_FileThatIsNoDocument_GivesItsBeginning()
    {
        using IMembershipDocument document = await OpenAsync();
        System.IO.Directory.CreateDirectory(Cluster);
        await File.WriteAllBytesAsync(Path.Combine(Cluster, "000000000003.json"), new byte[StoredDocument.MaxBytes + 1], Patience.Token);

        StoredDocument found = await document.ReadAsync(Patience.Token);

        Assert.Equal((StoredDocument.MaxBytes, "3"), (found.Text!.Length, found.Revision));
    }

    [Fact]
    public async Task Write_ManyProcessesAndOneThatIsStoppedAgainAndAgain_NoneIsLost()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs signals");
        using IMembershipDocument document = await OpenAsync();
        Process[] workers = [.. Enumerable.Range(0, 2).Select(_ => StartWorker())];
        Task own = IncrementAsync(document, Increments);
        while (!workers.All(worker => worker.HasExited))
        {
            if (!workers[0].HasExited) Signal(workers[0], "STOP");
            await Task.Delay(20, Patience.Token);
            if (!workers[0].HasExited) Signal(workers[0], "CONT");
            await Task.Delay(20, Patience.Token);
        }

        await own.Soon();
        Assert.All(workers, worker => Assert.Equal(0, worker.ExitCode));
        Assert.StartsWith($"{3 * Increments} ", (await document.ReadAsync(Patience.Token)).Text, StringComparison.Ordinal);
        foreach (Process worker in workers) worker.Dispose();
    }

    /// <summary>What the other processes of the test above run.</summary>
    [Fact(Explicit = true)]
    public async Task Worker()
    {
        using var document = new FileDocument(Environment.GetEnvironmentVariable(WorkerVariable)!, "llama", TimeProvider.System);
        await IncrementAsync(document, Increments);
    }

    private protected override Task<IMembershipDocument> OpenAsync() =>
        Task.FromResult<IMembershipDocument>(new FileDocument(Root, "llama", TimeProvider.System));

    private protected override Task LoseAsync()
    {
        System.IO.Directory.Delete(Cluster, recursive: true);
        return Task.CompletedTask;
    }

    private Process StartWorker()
    {
        string assembly = typeof(FileDocumentTests).Assembly.Location;
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && path.EndsWith("dotnet", StringComparison.Ordinal) ? path : "dotnet")
        {
            ArgumentList = { "exec", assembly, "-explicit", "only", "-method", $"{typeof(FileDocumentTests).FullName}.{nameof(Worker)}" },
            Environment = { [WorkerVariable] = Root },
            RedirectStandardOutput = true,
        };
        Process worker = Process.Start(start)!;
        worker.OutputDataReceived += (_, _) => { };
        worker.BeginOutputReadLine();
        return worker;
    }

    private static void Signal(Process process, string signal)
    {
        using Process kill = Process.Start("/bin/sh", ["-c", $"kill -{signal} {process.Id}"]);
        kill.WaitForExit();
    }
}
