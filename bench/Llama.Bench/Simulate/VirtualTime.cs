namespace Llama.Bench.Simulate;

/// <summary>A clock that the simulation moves.</summary>
internal sealed class VirtualTime : TimeProvider
{
    private long now;

    /// <summary>Nanoseconds since the simulation began.</summary>
    public long Now
    {
        get => now;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, now);
            now = value;
        }
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => 1_000_000_000;

    /// <inheritdoc/>
    public override long GetTimestamp() => now;
}
