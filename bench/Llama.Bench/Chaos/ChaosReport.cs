using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Llama.Bench.Chaos;

/// <summary>What a run found.</summary>
internal sealed record ChaosReport
{
    /// <summary>The seed.</summary>
    public required int Seed { get; init; }

    /// <summary>From the first request to the last answer.</summary>
    public required double Seconds { get; init; }

    /// <summary>Requests that clients began.</summary>
    public required int Requests { get; init; }

    /// <summary>Those answered as while nothing happened.</summary>
    public required int Answered { get; init; }

    /// <summary>Those that their client gave up.</summary>
    public required int Cancelled { get; init; }

    /// <summary>Those answered wrongly or not at all.</summary>
    public required int Failed { get; init; }

    /// <summary>Disturbances by kind.</summary>
    public required IReadOnlyDictionary<string, int> Events { get; init; }

    /// <summary>Memory of the processes that ran at the end.</summary>
    public required IReadOnlyList<MemoryUse> Memory { get; init; }

    /// <summary>All that went wrong.</summary>
    public required IReadOnlyList<string> Faults { get; init; }

    /// <summary>One line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, JsonSerializerOptions.Web);

    /// <summary>A table.</summary>
    public string ToTable()
    {
        var table = new StringBuilder();
        Add($"seed {Seed}: {Requests} requests in {Seconds:F0} s: {Answered} answered, {Cancelled} given up by their client, {Failed} failed");
        string events = string.Join(", ", Events.Select(kind => $"{kind.Value} {kind.Key}"));
        Add($"{Events.Values.Sum()} disturbances: {events}");
        Add($"");
        Add($"process     watched    warm MiB     end MiB");
        foreach (MemoryUse use in Memory) Add($"{use.Name,-10} {use.Seconds,6} s  {use.Warm,10:F1}  {use.End,10:F1}{(use.IsFlat ? "" : "  grows")}");
        Add($"");
        foreach (string fault in Faults) Add($"FAULT {fault}");
        if (Faults.Count == 0) Add($"no fault");
        return table.ToString();

        void Add(FormattableString line) => table.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}
