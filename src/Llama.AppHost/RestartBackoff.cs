namespace Llama.AppHost;

/// <summary>How long to wait before a process that died is started again: longer each time for one that dies soon after a start.</summary>
internal sealed class RestartBackoff
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    private TimeSpan _next = Shortest;

    /// <summary>The delay before the next start.</summary>
    /// <param name="ran">How long the process ran.</param>
    public TimeSpan Next(TimeSpan ran)
    {
        if (ran >= Soon)
            _next = Shortest;
        TimeSpan delay = _next;
        _next = delay * 2 < Longest ? delay * 2 : Longest;
        return delay;
    }
}
