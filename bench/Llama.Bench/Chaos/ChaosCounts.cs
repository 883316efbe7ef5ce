namespace Llama.Bench.Chaos;

/// <summary>What became of the requests, counted by all clients at once.</summary>
internal sealed class ChaosCounts
{
    private const int MostFaults = 20;

    private readonly Lock gate = new();
    private readonly List<string> faults = [];

    /// <summary>Requests begun.</summary>
    public int Begun { get; private set; }

    /// <summary>Answered, and rightly.</summary>
    public int Answered { get; private set; }

    /// <summary>Given up by their client.</summary>
    public int Cancelled { get; private set; }

    /// <summary>Not answered, or wrongly.</summary>
    public int Failed { get; private set; }

    /// <summary>What went wrong with the first of them.</summary>
    public IReadOnlyList<string> Faults
    {
        get
        {
            lock (gate) return [.. faults];
        }
    }

    /// <summary>A request begins.</summary>
    public void Begin()
    {
        lock (gate) Begun++;
    }

    /// <summary>It was answered.</summary>
    public void Answer()
    {
        lock (gate) Answered++;
    }

    /// <summary>Its client gave it up.</summary>
    public void Cancel()
    {
        lock (gate) Cancelled++;
    }

    /// <summary>It went wrong.</summary>
    public void Fail(string fault)
    {
        lock (gate)
        {
            Failed++;
            if (faults.Count < MostFaults) faults.Add(fault);
        }
    }
}
