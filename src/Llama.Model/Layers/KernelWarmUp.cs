using Llama.Model.Kernels;
using Llama.Model.KeyValueCache;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>
/// Runs the kernels that a range's steps will need on a few zeros, so that they are compiled before the range is ready: kernels are compiled for
/// the processor that they run on, each when it is first called, and the first requests would wait for that.
/// </summary>
internal static unsafe class KernelWarmUp
{
    private const int Rows = 40;
    private const int Columns = 256;
    private const int MostTokens = 96;

    /// <summary>One token, and the fewest of every kernel for several.</summary>
    private static readonly int[] Tokens = [1, 2, 3, 5, 9, MostTokens];

    /// <summary>Runs the kernels.</summary>
    /// <param name="types">Types of the weights.</param>
    /// <param name="config">The model.</param>
    /// <param name="kvType">Type of keys and values.</param>
    public static void Run(IEnumerable<ElementType> types, ModelConfig config, ElementType kvType)
    {
        foreach (ElementType type in types.Distinct()) Multiply(type);
        Attend(config, kvType);
        RunOthers(config);
    }

    /// <summary>Products with rows as they are stored, and as they lie later.</summary>
    private static void Multiply(ElementType type)
    {
        using var stored = new NativeBuffer((Rows * type.Bytes(Columns) / sizeof(float)) + 1);
        using var x = new NativeBuffer(MostTokens * Columns);
        using var y = new NativeBuffer(MostTokens * Rows);
        using var scratch = new NativeBuffer(ProductInputs.ScratchLength(MostTokens));
        using var inputs = new ProductInputs(MostTokens, Columns);
        using var pool = new WorkerPool(1, "warm-up");
        using var memory = new WeightMemory();
        var matrix = new WeightMatrix("warm-up", type, Rows, Columns, (nint)stored.Pointer);
        using var product = new ProductMatrix(matrix, null, memory);
        if (!InterleavedRows.AreNeeded(type)) MultiplyAll(matrix);
        while (!product.IsRepacked) product.Repack(pool, long.MaxValue);
        if (product.Matrix != matrix) MultiplyAll(product.Matrix);

        void MultiplyAll(WeightMatrix form)
        {
            foreach (int tokens in Tokens)
            {
                inputs.Reset(x.Pointer, tokens, form);
                for (int token = 0; token < tokens; token++) inputs.Prepare(token);
                inputs.Multiply(form, 0, Rows, tokens, y.Pointer, scratch.Pointer);
            }
        }
    }

    /// <summary>Attention of a run of tokens and of one.</summary>
    private static void Attend(ModelConfig config, ElementType kvType)
    {
        int group = config.Heads / config.KvHeads;
        using var cache = new KvCache(config, kvType, layers: 1, blocks: 2);
        using var queries = new NativeBuffer(Attention.MaxTokens * config.QueryDim);
        using var outputs = new NativeBuffer(Attention.MaxTokens * config.QueryDim);
        using var scratch = new NativeBuffer(Attention.ScratchLength(Math.Max(config.Heads, Attention.MaxTokens * group), config.HeadDim));
        foreach (int tokens in (int[])[1, Attention.MaxTokens])
        {
            Attention.Attend(
                cache, 0, [0, 1], 0, 1, 0, tokens, group, config.HeadDim, queries.Pointer, outputs.Pointer, config.QueryDim, scratch.Pointer);
        }
    }

    /// <summary>What else is compiled for the processor: what lies between the products, and behind the last one.</summary>
    private static void RunOthers(ModelConfig config)
    {
        using var x = new NativeBuffer(Math.Max(Columns, config.HeadDim));
        using var y = new NativeBuffer(Math.Max(Columns, config.HeadDim));
        new RotaryEmbedding(config).Angles(0, x.Pointer, y.Pointer);
        Elementwise.SiluMultiply(x.Pointer, y.Pointer, Columns);
        Exponential.ExpAndSum(x.Pointer, y.Pointer, Columns, 0, 1);
    }
}
