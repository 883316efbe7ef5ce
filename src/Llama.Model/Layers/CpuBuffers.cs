using Llama.Model.Kernels;

namespace Llama.Model.Layers;

/// <summary>The intermediate results of a step, made once for the largest one. Pages that no step ever needs are never touched.</summary>
internal sealed unsafe class CpuBuffers : IDisposable
{
    /// <summary>Most tokens of a step.</summary>
    public const int MaxTokens = 256;

    private readonly List<NativeBuffer> owned = [];
    private readonly float* cosines;
    private readonly float* sines;
    private readonly float* tiles;
    private readonly float* softmaxes;
    private readonly int pairs;
    private readonly int tileLength;
    private readonly int softmaxLength;

    /// <summary>Makes buffers for steps of up to <see cref="MaxTokens"/> tokens.</summary>
    public CpuBuffers(ModelConfig config, int threads)
    {
        pairs = config.HeadDim / 2;
        tileLength = ProductInputs.ScratchLength(MaxTokens);
        softmaxLength = Lanes.Pad(Attention.ScratchLength(
            Math.Max(config.Heads, Attention.MaxTokens * (config.Heads / config.KvHeads)), config.HeadDim));
        NormedInputs = new ProductInputs(MaxTokens, config.Dim);
        AttendedInputs = new ProductInputs(MaxTokens, config.QueryDim);
        GateInputs = new ProductInputs(MaxTokens, config.HiddenDim);
        Normed = Tokens(config.Dim);
        Queries = Tokens(config.QueryDim);
        Keys = Tokens(config.KvDim);
        Values = Tokens(config.KvDim);
        Attended = Tokens(config.QueryDim);
        Projected = Tokens(config.Dim);
        Gate = Tokens(config.HiddenDim);
        Up = Tokens(config.HiddenDim);
        cosines = Tokens(pairs);
        sines = Tokens(pairs);
        tiles = Allocate((long)threads * tileLength);
        softmaxes = Allocate((long)threads * softmaxLength);
    }

    /// <summary>Bytes of the intermediate results of the largest step, without the scratch of the threads.</summary>
    public static long Bytes(ModelConfig config)
    {
        long inputs = (long)config.Dim + config.QueryDim + config.HiddenDim;
        long aToken = inputs + (2L * (config.Dim + config.QueryDim + config.KvDim + config.HiddenDim)) + config.HeadDim;
        return MaxTokens * aToken * sizeof(float);
    }

    /// <summary>Which sequence of the step each token belongs to.</summary>
    public int[] SequenceOf { get; } = new int[MaxTokens];

    /// <summary>Each token's position in its sequence.</summary>
    public int[] PositionOf { get; } = new int[MaxTokens];

    /// <summary>The first token of each run of tokens that attend together.</summary>
    public int[] RunStarts { get; } = new int[MaxTokens];

    /// <summary>How many tokens each of the runs has.</summary>
    public int[] RunLengths { get; } = new int[MaxTokens];

    /// <summary>The inputs of products with <see cref="Normed"/>.</summary>
    public ProductInputs NormedInputs { get; }

    /// <summary>The inputs of products with <see cref="Attended"/>.</summary>
    public ProductInputs AttendedInputs { get; }

    /// <summary>The inputs of products with <see cref="Gate"/>.</summary>
    public ProductInputs GateInputs { get; }

    /// <summary>Hidden states after RMSNorm, <c>[tokens, dim]</c>.</summary>
    public float* Normed { get; }

    /// <summary><c>[tokens, heads × headDim]</c>.</summary>
    public float* Queries { get; }

    /// <summary><c>[tokens, kvHeads × headDim]</c>.</summary>
    public float* Keys { get; }

    /// <summary><c>[tokens, kvHeads × headDim]</c>.</summary>
    public float* Values { get; }

    /// <summary>Weighted values, <c>[tokens, heads × headDim]</c>.</summary>
    public float* Attended { get; }

    /// <summary>What attention or feed-forward adds to the hidden states, <c>[tokens, dim]</c>.</summary>
    public float* Projected { get; }

    /// <summary><c>[tokens, hiddenDim]</c>.</summary>
    public float* Gate { get; }

    /// <summary><c>[tokens, hiddenDim]</c>.</summary>
    public float* Up { get; }

    /// <summary>Cosines of a token's position, <c>[headDim / 2]</c>.</summary>
    public float* Cosines(int token) => cosines + ((long)token * pairs);

    /// <summary>Sines of a token's position, <c>[headDim / 2]</c>.</summary>
    public float* Sines(int token) => sines + ((long)token * pairs);

    /// <summary>A thread's scratch for matrix products.</summary>
    public float* Tile(int thread) => tiles + ((long)thread * tileLength);

    /// <summary>A thread's scratch for attention.</summary>
    public float* Softmax(int thread) => softmaxes + ((long)thread * softmaxLength);

    /// <inheritdoc/>
    public void Dispose()
    {
        NormedInputs.Dispose();
        AttendedInputs.Dispose();
        GateInputs.Dispose();
        foreach (NativeBuffer buffer in owned) buffer.Dispose();
    }

    private float* Tokens(int width) => Allocate((long)MaxTokens * width);

    private float* Allocate(long length)
    {
        var buffer = new NativeBuffer(length);
        owned.Add(buffer);
        return buffer.Pointer;
    }
}
