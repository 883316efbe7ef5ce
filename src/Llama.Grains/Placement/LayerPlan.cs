namespace Llama.Grains.Placement;

/// <summary>A range of layers in its place in a pipeline.</summary>
/// <param name="First">First layer.</param>
/// <param name="End">The layer after the last.</param>
public readonly record struct LayerSpan(int First, int End)
{
    /// <summary>Number of layers.</summary>
    public int Count => End - First;

    /// <summary>The shortest range with both in it; an empty one adds nothing.</summary>
    public LayerSpan Hull(LayerSpan other) => (Count, other.Count) switch
    {
        (0, 0) => default,
        (0, _) => other,
        (_, 0) => this,
        _ => new LayerSpan(Math.Min(First, other.First), Math.Max(End, other.End)),
    };

    /// <summary>The layers that are in both.</summary>
    public LayerSpan Common(LayerSpan other)
    {
        (int first, int end) = (Math.Max(First, other.First), Math.Min(End, other.End));
        return first < end ? new LayerSpan(first, end) : default;
    }

    /// <summary>Whether a layer is one of them.</summary>
    public bool Contains(int layer) => layer >= First && layer < End;
}

/// <summary>What a silo offers to a plan.</summary>
/// <param name="Speed">Relative speed, above 0.</param>
/// <param name="MemoryBytes">Bytes that weights and KV may take.</param>
/// <param name="Has">Layers that it has already; none when it is new.</param>
public readonly record struct SiloCapacity(double Speed, long MemoryBytes, LayerSpan Has = default);

/// <summary>What the layers of a model cost.</summary>
public sealed record ModelCosts
{
    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Bytes of one layer's weights: decoding reads them all for every token, so they are its time as well.</summary>
    public required long LayerBytes { get; init; }

    /// <summary>Bytes of the output head, which the last stage reads for every token.</summary>
    public required long HeadBytes { get; init; }

    /// <summary>Bytes of the embedding, which the first stage holds; a look-up takes no time.</summary>
    public required long EmbeddingBytes { get; init; }

    /// <summary>Bytes of KV that a layer needs at the least.</summary>
    public required long KvBytesPerLayer { get; init; }

    /// <summary>The costs of a model.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="elementBytes">Bytes of a weight.</param>
    /// <param name="kvBytesPerLayer">Bytes of KV that a layer needs at the least.</param>
    public static ModelCosts Of(Model.ModelConfig config, double elementBytes, long kvBytesPerLayer)
    {
        ArgumentNullException.ThrowIfNull(config);
        long matrix = (long)((double)config.VocabSize * config.Dim * elementBytes);
        return new ModelCosts
        {
            Layers = config.Layers,
            LayerBytes = (long)(config.LayerElements * elementBytes) + ((long)config.BiasElements * sizeof(float)),
            HeadBytes = matrix,
            EmbeddingBytes = matrix,
            KvBytesPerLayer = kvBytesPerLayer,
        };
    }

    /// <summary>Predicted time of a stage that holds a range, in bytes read per token at speed 1.</summary>
    public double Time(LayerSpan span) => ((double)span.Count * LayerBytes) + (span.End == Layers ? HeadBytes : 0);

    /// <summary>Bytes that a stage needs for a range.</summary>
    public long Bytes(LayerSpan span) =>
        (span.Count * (LayerBytes + KvBytesPerLayer)) + (span.End == Layers ? HeadBytes : 0) + (span.First == 0 ? EmbeddingBytes : 0);
}
