using System.Diagnostics;

namespace Llama.Cluster.Tests.Processes;

/// <summary>Waits for what another process does.</summary>
internal static class Wait
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Looks until a condition holds.</summary>
    /// <param name="what">What is waited for, for the failure's message.</param>
    /// <param name="deadline">How long at most.</param>
    /// <param name="condition">The condition.</param>
    /// <param name="output">What the processes have said, for the failure's message.</param>
    /// <returns>How long it took.</returns>
    public static async Task<TimeSpan> UntilAsync(string what, TimeSpan deadline, Func<Task<bool>> condition, Func<string> output)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > deadline) Assert.Fail($"Not within {deadline.TotalSeconds} s: {what}\n{output()}");
            await Task.Delay(Pause, TestContext.Current.CancellationToken);
        }

        return watch.Elapsed;
    }

    /// <summary>Looks until a condition holds.</summary>
    public static Task<TimeSpan> UntilAsync(string what, TimeSpan deadline, Func<bool> condition, Func<string> output) =>
        UntilAsync(what, deadline, () => Task.FromResult(condition()), output);
}
