using System.Diagnostics.Metrics;
using Llama.Grains.Telemetry;

namespace Llama.Grains.Links;

/// <summary>Counts the bytes of steps, hidden states and results that this process sends and receives.</summary>
internal static class LinkTraffic
{
    private static readonly KeyValuePair<string, object?> Transmit = new("network.io.direction", "transmit");
    private static readonly KeyValuePair<string, object?> Receive = new("network.io.direction", "receive");
    private static long sent;
    private static long received;

    static LinkTraffic() => Instruments.Meter.CreateObservableCounter(
        "llama.link.io", Measure, "By", "Bytes of steps, hidden states and results that this process sent to and received from others.");

    /// <summary>Bytes were sent.</summary>
    public static void Sent(long bytes) => Interlocked.Add(ref sent, bytes);

    /// <summary>Bytes were received.</summary>
    public static void Received(long bytes) => Interlocked.Add(ref received, bytes);

    private static IEnumerable<Measurement<long>> Measure() =>
        [new(Volatile.Read(ref sent), Transmit), new(Volatile.Read(ref received), Receive)];
}
