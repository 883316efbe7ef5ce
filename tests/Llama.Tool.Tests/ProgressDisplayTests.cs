namespace Llama.Tool.Tests;

public sealed class ProgressDisplayTests : IDisposable
{
    private readonly TestConsole file = new();
    private readonly TestConsole terminal = new(terminal: true);

    public void Dispose()
    {
        file.Dispose();
        terminal.Dispose();
    }

    [Fact]
    public void Show_NoTerminal_ALineAnItemAndOneEachFiveSeconds()
    {
        int result = file.Display.Show(progress =>
        {
            progress.Report(new("a.gguf", 0, 30_000_000));
            progress.Report(new("a.gguf", 1_000_000, 30_000_000));
            file.Time.Advance(TimeSpan.FromSeconds(5));
            progress.Report(new("a.gguf", 2_000_000, 30_000_000));
            progress.Report(new("b.gguf", 3_000_000, 30_000_000));
            return 7;
        });

        Assert.Equal(7, result);
        Assert.Equal(
            ["a.gguf: 0 of 30 MB in all", "a.gguf: 2 of 30 MB in all", "b.gguf: 3 of 30 MB in all", ""],
            file.Output.ReplaceLineEndings("\n").Split('\n'));
    }

    [Fact]
    public void Show_Terminal_ABarThatEndsFull()
    {
        terminal.Display.Show(progress =>
        {
            progress.Report(new("[1/2] blk.0", 1_000_000, 2_000_000));
            progress.Report(new("[2/2] blk.1", 1_500_000, 2_000_000));
            return 0;
        });

        Assert.Contains("[2/2] blk.1", terminal.Output, StringComparison.Ordinal);
        Assert.Contains("100%", terminal.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("MB in all", terminal.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Show_WorkFails_ItsErrorComesThrough()
    {
        Assert.Throws<IOException>(() => file.Display.Show<int>(_ => throw new IOException("full")));
        Assert.Throws<IOException>(() => terminal.Display.Show<int>(_ => throw new IOException("full")));
    }
}
