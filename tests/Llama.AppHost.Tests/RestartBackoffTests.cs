namespace Llama.AppHost.Tests;

public sealed class RestartBackoffTests
{
    [Fact]
    public void Next_ProcessKeepsDyingSoon_DoublesUpToHalfAMinute()
    {
        var backoff = new RestartBackoff();

        Assert.Equal(
            [1, 2, 4, 8, 16, 30, 30],
            Enumerable.Range(0, 7).Select(_ => backoff.Next(TimeSpan.FromSeconds(9.9)).TotalSeconds));
    }

    [Fact]
    public void Next_ProcessRanForAWhile_StartsOver()
    {
        var backoff = new RestartBackoff();
        backoff.Next(TimeSpan.Zero);
        backoff.Next(TimeSpan.Zero);

        Assert.Equal(TimeSpan.FromSeconds(1), backoff.Next(TimeSpan.FromSeconds(10)));
        Assert.Equal(TimeSpan.FromSeconds(2), backoff.Next(TimeSpan.Zero));
    }
}
