using Llama.Model;

namespace Llama.Tool;

/// <summary>The shapes of released models, from their configuration files; those of stories are A. Karpathy's.</summary>
internal static class ModelShapes
{
    private static readonly RopeScaling Llama32 = new(32, 1, 4, 8192);

    /// <summary>The shapes by name.</summary>
    public static IReadOnlyDictionary<string, ModelConfig> ByName { get; } = new Dictionary<string, ModelConfig>(StringComparer.OrdinalIgnoreCase)
    {
        ["stories42m"] = Llama2(512, 8, 8, 1376) with { ContextLength = 1024, TiedEmbeddings = true },
        ["stories110m"] = Llama2(768, 12, 12, 2048) with { ContextLength = 1024, TiedEmbeddings = true },
        ["llama-3.2-1b"] = Llama3(2048, 16, 32, 8192) with { ContextLength = 131_072, RopeScaling = Llama32, TiedEmbeddings = true },
        ["llama-3-8b"] = Llama3(4096, 32, 32, 14_336),
        ["llama-2-13b"] = Llama2(5120, 40, 40, 13_824),
        ["llama-3-70b"] = Llama3(8192, 80, 64, 28_672),
    };

    private static ModelConfig Llama2(int dim, int layers, int heads, int hiddenDim) => new()
    {
        Dim = dim,
        Layers = layers,
        Heads = heads,
        KvHeads = heads,
        HeadDim = dim / heads,
        HiddenDim = hiddenDim,
        VocabSize = 32_000,
        ContextLength = 4096,
        NormEps = 1e-5f,
        RopeTheta = 10_000,
        RotaryLayout = RotaryLayout.AdjacentPairs,
        Family = LlamaFamily.Llama2,
        EndTokens = [2],
    };

    private static ModelConfig Llama3(int dim, int layers, int heads, int hiddenDim) => Llama2(dim, layers, heads, hiddenDim) with
    {
        KvHeads = 8,
        VocabSize = 128_256,
        ContextLength = 8192,
        RopeTheta = 500_000,
        Family = LlamaFamily.Llama3,
    };
}
