using Llama.Model;

namespace Llama.Bench.Simulate;

/// <summary>What an engine must know of a model: how many tokens there are, and which ones end a text.</summary>
internal static class SimulatedModel
{
    /// <summary>A model of a vocabulary, without end tokens.</summary>
    public static ModelConfig Config(int vocabSize) => new()
    {
        Dim = 8,
        Layers = 64,
        Heads = 1,
        KvHeads = 1,
        HeadDim = 8,
        HiddenDim = 8,
        VocabSize = vocabSize,
        ContextLength = 1 << 17,
        NormEps = 1e-5f,
        RopeTheta = 10_000,
        RotaryLayout = RotaryLayout.Halves,
        Family = LlamaFamily.Llama2,
        EndTokens = [],
    };
}
