using System.Diagnostics;

namespace Llama.Grains.Tests;

/// <summary>How tests wait: for a condition or a task, with a deadline that only a hang exceeds.</summary>
internal static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit, Token);

    public static Task Soon(this Task task) => task.WaitAsync(Limit, Token);

    public static Task<T> Soon<T>(this ValueTask<T> task) => task.AsTask().Soon();

    public static Task Soon(this ValueTask task) => task.AsTask().Soon();

    /// <summary>Looks again and again until a condition holds.</summary>
    public static async Task UntilAsync(Func<bool> condition, Func<string> describe)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Limit, describe());
            await Task.Delay(5, Token);
        }
    }
}
