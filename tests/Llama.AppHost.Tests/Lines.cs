namespace Llama.AppHost.Tests;

/// <summary>A writer whose lines can be awaited; any thread may write.</summary>
internal sealed class Lines : StringWriter
{
    private readonly List<string> _lines = [];

    public IReadOnlyList<string> All
    {
        get
        {
            lock (_lines)
                return [.. _lines];
        }
    }

    public override void WriteLine(string? value)
    {
        lock (_lines)
            _lines.Add(value ?? "");
    }

    /// <summary>Waits until some line contains a text; fails after 20 seconds with what was written instead.</summary>
    public async Task WaitForAsync(string text)
    {
        for (int i = 0; i < 400; i++)
        {
            if (All.Any(line => line.Contains(text, StringComparison.Ordinal)))
                return;
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        Assert.Fail($"No line has '{text}':\n{string.Join('\n', All)}");
    }
}
