using Llama.Model;

namespace Llama.Tools.GpuCheck;

/// <summary>Models whose speed is measured, with random weights.</summary>
internal static class Shapes
{
    /// <summary>By name.</summary>
    public static IReadOnlyDictionary<string, ModelConfig> ByName { get; } = new Dictionary<string, ModelConfig>
    {
        ["8b"] = Shape(4096, 32, 32, 8, 14336, 128256),
        ["1b"] = Shape(2048, 16, 32, 8, 8192, 128256),
        ["110m"] = Shape(768, 12, 12, 12, 2048, 32000),
    };

    private static ModelConfig Shape(int dim, int layers, int heads, int kvHeads, int hiddenDim, int vocabSize) => new()
    {
        Dim = dim,
        Layers = layers,
        Heads = heads,
        KvHeads = kvHeads,
        HeadDim = dim / heads,
        HiddenDim = hiddenDim,
        VocabSize = vocabSize,
        ContextLength = 8192,
        NormEps = 1e-5f,
        RopeTheta = 500_000,
        RotaryLayout = RotaryLayout.Halves,
        TiedEmbeddings = true,
        Family = LlamaFamily.Llama3,
        EndTokens = [],
    };
}
