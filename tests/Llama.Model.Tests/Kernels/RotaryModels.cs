namespace Llama.Model.Tests.Kernels;

/// <summary>Configurations of which the rotary embedding's part is that of released models.</summary>
internal static class RotaryModels
{
    /// <summary>Llama 3.1: theta 500,000 and frequencies scaled by 8 beyond an original context of 8,192.</summary>
    public static ModelConfig Llama31(int headDim, RotaryLayout layout = RotaryLayout.AdjacentPairs) =>
        Plain(headDim, 500_000, layout) with { RopeScaling = new RopeScaling(8, 1, 4, 8192) };

    /// <summary>Frequencies that are not scaled.</summary>
    public static ModelConfig Plain(int headDim, double theta, RotaryLayout layout = RotaryLayout.AdjacentPairs) => new()
    {
        Dim = headDim,
        Layers = 1,
        Heads = 1,
        KvHeads = 1,
        HeadDim = headDim,
        HiddenDim = headDim,
        VocabSize = 16,
        ContextLength = 1 << 24,
        NormEps = 1e-5f,
        RopeTheta = theta,
        RotaryLayout = layout,
        Family = LlamaFamily.Llama3,
        EndTokens = [2],
    };
}
