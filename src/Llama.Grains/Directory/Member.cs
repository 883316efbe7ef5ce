using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Llama.Grains.Settings;
using Llama.Model.Kernels;

namespace Llama.Grains.Directory;

/// <summary>A silo, as the others know it.</summary>
public sealed record Member
{
    /// <summary>Before the name in the key of a silo's entry.</summary>
    internal const string KeyPrefix = "silos/";

    private const int MaxNameLength = 256;

    /// <summary>Rates outside of these are none of a machine, and would spoil the plan of all.</summary>
    private const double LeastRate = 1e6;
    private const double MostRate = 1e18;

    /// <summary>An entry without one of the fields, or with null for one that cannot be, is no member.</summary>
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectNullableAnnotations = true };

    /// <summary>Unique name in the cluster.</summary>
    public required string Name { get; init; }

    /// <summary>Where its links listen, <c>host:port</c>, as others reach it.</summary>
    public required string Address { get; init; }

    /// <summary>Process id on its machine.</summary>
    public required int ProcessId { get; init; }

    /// <summary>Tells this process from every other, also from one that has its name, address and process id at another time.</summary>
    public required string Instance { get; init; }

    /// <summary>Compute threads.</summary>
    public required int Threads { get; init; }

    /// <summary>What these threads reached together when it started.</summary>
    public required MachineRates Rates { get; init; }

    /// <summary>
    /// Bytes of memory that weights and KV may take. A silo that was not told announces all of <see cref="SharedMemory"/>, and a plan counts
    /// on its share.
    /// </summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Names the memory that this silo takes its bytes from, and others with the same name as well; null for one of its own.</summary>
    public string? SharedMemory { get; init; }

    /// <summary>Whether somebody has said how many bytes it may take.</summary>
    public bool IsMemoryGiven { get; init; }

    /// <summary>Bytes of that memory which a log of hidden states may take; 0 for none.</summary>
    public long LogMemoryBytes { get; init; }

    /// <summary>The numeric profile that it computes in; all stages of a pipeline have the same.</summary>
    public required string Profile { get; init; }

    /// <summary>The newest plan that it has had a place in; later plans have higher epochs, also those of a restarted gateway.</summary>
    public required ulong LastEpoch { get; init; }

    /// <summary>Key of its entry in a directory.</summary>
    internal string Key => KeyPrefix + Name;

    /// <summary>The text of its entry.</summary>
    internal string ToText() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads an entry.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="member">The member.</param>
    /// <param name="fault">What is wrong with it, in a sentence.</param>
    internal static bool TryParse(
        DirectoryEntry entry, [NotNullWhen(true)] out Member? member, [NotNullWhen(false)] out string? fault)
    {
        member = null;
        try
        {
            member = JsonSerializer.Deserialize<Member>(entry.Value, Json);
            fault = member is null ? $"The directory has null at '{entry.Key}'; expected a silo."
                : member.Key != entry.Key ? $"Silo '{member.Name}' is at '{entry.Key}'; expected '{member.Key}'."
                : member.Fault();
        }
        catch (JsonException e)
        {
            fault = $"The directory's '{entry.Key}' is no silo: {e.Message}";
        }

        return fault is null;
    }

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
        : null;

    private static bool IsRate(double value) => value is >= LeastRate and <= MostRate;

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);
}
