using System.Globalization;
using Llama.Grains.Settings;
using Llama.Model.Kernels;

namespace Llama.Grains.Stages;

/// <summary>A silo with a device, as its layer-range grain tells.</summary>
[GenerateSerializer, Immutable, Alias("llama.member")]
public sealed record Member
{
    private const int MaxNameLength = 256;

    /// <summary>Rates outside of these are none of a machine, and would spoil the plan of all.</summary>
    private const double LeastRate = 1e6;
    private const double MostRate = 1e18;
    private const int MostElementBytes = 8;

    /// <summary>Unique name in the cluster.</summary>
    [Id(0)]
    public required string Name { get; init; }

    /// <summary>Where its links listen, <c>host:port</c>, as others reach it.</summary>
    [Id(1)]
    public required string Address { get; init; }

    /// <summary>Process id on its machine.</summary>
    [Id(2)]
    public required int ProcessId { get; init; }

    /// <summary>Tells this process from every other, also from one that has its name, address and process id at another time.</summary>
    [Id(3)]
    public required string Instance { get; init; }

    /// <summary>Compute threads.</summary>
    [Id(4)]
    public required int Threads { get; init; }

    /// <summary>What these threads reached together when it started.</summary>
    [Id(5)]
    public required MachineRates Rates { get; init; }

    /// <summary>
    /// Bytes of memory that weights and KV may take. A silo that was not told announces all of <see cref="SharedMemory"/>, and a plan counts
    /// on its share.
    /// </summary>
    [Id(6)]
    public required long MemoryBytes { get; init; }

    /// <summary>Names the memory that this silo takes its bytes from, and others with the same name as well; null for one of its own.</summary>
    [Id(11)]
    public string? SharedMemory { get; init; }

    /// <summary>Whether somebody has said how many bytes it may take.</summary>
    [Id(12)]
    public bool IsMemoryGiven { get; init; }

    /// <summary>Bytes of that memory which a log of hidden states may take; 0 for none.</summary>
    [Id(7)]
    public long LogMemoryBytes { get; init; }

    /// <summary>The numeric profile that it computes in; all stages of a pipeline have the same.</summary>
    [Id(8)]
    public required string Profile { get; init; }

    /// <summary>The newest plan that it has had a place in; later plans have higher epochs, also those of a restarted gateway.</summary>
    [Id(9)]
    public required ulong LastEpoch { get; init; }

    /// <summary>Whether it was drained: it gets no layers until it is taken back, or is another process.</summary>
    [Id(10)]
    public bool Drained { get; init; }

    /// <summary>Bytes of KV that a block of 16 positions takes in one layer.</summary>
    [Id(13)]
    public required long KvBlockBytes { get; init; }

    /// <summary>Bytes that one KV block takes in a log of hidden states.</summary>
    [Id(14)]
    public required long LogBlockBytes { get; init; }

    /// <summary>Bytes of the intermediate results of the largest step.</summary>
    [Id(15)]
    public required long ActivationBytes { get; init; }

    /// <summary>Whether bits depend on the shapes of steps, which are recorded and repeated then (<see cref="Llama.Model.Layers.DeviceOffer.RepeatsShapes"/>).</summary>
    [Id(16)]
    public bool RepeatsShapes { get; init; }

    /// <summary>Bytes that an element of the model's matrices takes in its memory; 0 from a silo of an older version, where it is as stored.</summary>
    [Id(17)]
    public double WeightElementBytes { get; init; }

    /// <summary>What is wrong with it, in a sentence; null when nothing is.</summary>
    internal string? Fault() =>
        Name is not { Length: > 0 and <= MaxNameLength } ? $"A silo's name has {Name.Length} characters; expected 1 to {MaxNameLength}."
        : !HostPort.TryParse(Address, out HostPort address) || address.Port is null
            ? $"Silo '{Name}' is at '{Address}'; expected host:port."
        : Instance is not { Length: > 0 and <= MaxNameLength }
            ? $"Silo '{Name}' has an instance of {Instance.Length} characters; expected 1 to {MaxNameLength}."
        : Threads < 1 ? $"Silo '{Name}' has {Threads} threads; expected at least 1."
        : !IsRate(Rates.BytesPerSecond)
            ? $"Silo '{Name}' reads {Number(Rates.BytesPerSecond)} bytes/s of memory; expected {Number(LeastRate)} to {Number(MostRate)}."
        : !IsRate(Rates.OperationsPerSecond)
            ? $"Silo '{Name}' does {Number(Rates.OperationsPerSecond)} operations/s; expected {Number(LeastRate)} to {Number(MostRate)}."
        : MemoryBytes < 1 ? $"Silo '{Name}' has {MemoryBytes} bytes of memory; expected at least 1."
        : SharedMemory is { Length: > MaxNameLength * 4 }
            ? $"Silo '{Name}' names its memory with {SharedMemory.Length} characters; expected at most {MaxNameLength * 4}."
        : LogMemoryBytes < 0 ? $"Silo '{Name}' has {LogMemoryBytes} bytes of memory for a log; expected 0 or more."
        : KvBlockBytes < 1 || LogBlockBytes < 1 || ActivationBytes < 0
            ? $"Silo '{Name}' needs {KvBlockBytes}, {LogBlockBytes} and {ActivationBytes} bytes for a KV block, its log and a step; expected more than 0."
        : WeightElementBytes is not (>= 0 and <= MostElementBytes)
            ? $"Silo '{Name}' needs {Number(WeightElementBytes)} bytes for an element of a matrix; expected 0 to {MostElementBytes}."
        : null;

    private static bool IsRate(double value) => value is >= LeastRate and <= MostRate;

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);
}
