namespace Llama.Bench.Simulate;

/// <summary>A clock that the simulation moves.</summary>
internal sealed class VirtualTime : TimeProvider
{
    private long now;

    /// <summary>Nanoseconds since the simulation began.</summary>
    public long Now
    {
        get => now;
        set => now = value >= now ? value : throw new ArgumentOutOfRangeException(nameof(value), value, $"Time does not go back from {now}.");
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => 1_000_000_000;

    /// <inheritdoc/>
    public override long GetTimestamp() => now;
}
