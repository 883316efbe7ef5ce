namespace Llama.Model.Checkpoints;

/// <summary>A model that Meta released, and what its <c>params.json</c> does not say.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Dim">Width of the hidden states.</param>
/// <param name="Layers">Transformer layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key and value heads.</param>
/// <param name="VocabSize">Tokens of the vocabulary.</param>
/// <param name="NormEps">What RMSNorm adds.</param>
/// <param name="RopeTheta">Base of the rotary frequencies.</param>
/// <param name="RopeFactor">Factor of the scaled rotary frequencies, or null where they are not scaled.</param>
/// <param name="ContextLength">Context length in tokens.</param>
internal sealed record ReleasedShape(
    string Name,
    int Dim,
    int Layers,
    int Heads,
    int KvHeads,
    int VocabSize,
    float NormEps,
    double RopeTheta,
    float? RopeFactor,
    int ContextLength);

/// <summary>The released models, from their model cards and parameter files.</summary>
internal static class ReleasedShapes
{
    private static readonly ReleasedShape[] All =
    [
        new("Llama 1 7B", 4096, 32, 32, 32, 32_000, 1e-6f, 1e4, null, 2048),
        new("Llama 1 13B", 5120, 40, 40, 40, 32_000, 1e-6f, 1e4, null, 2048),
        new("Llama 1 33B", 6656, 60, 52, 52, 32_000, 1e-6f, 1e4, null, 2048),
        new("Llama 1 65B", 8192, 80, 64, 64, 32_000, 1e-5f, 1e4, null, 2048),
        new("Llama 2 7B", 4096, 32, 32, 32, 32_000, 1e-5f, 1e4, null, 4096),
        new("Llama 2 13B", 5120, 40, 40, 40, 32_000, 1e-5f, 1e4, null, 4096),
        new("Llama 2 70B", 8192, 80, 64, 8, 32_000, 1e-5f, 1e4, null, 4096),
        new("Code Llama 7B", 4096, 32, 32, 32, 32_016, 1e-5f, 1e6, null, 16_384),
        new("Code Llama 7B Python", 4096, 32, 32, 32, 32_000, 1e-5f, 1e6, null, 16_384),
        new("Code Llama 13B", 5120, 40, 40, 40, 32_016, 1e-5f, 1e6, null, 16_384),
        new("Code Llama 13B Python", 5120, 40, 40, 40, 32_000, 1e-5f, 1e6, null, 16_384),
        new("Code Llama 34B", 8192, 48, 64, 8, 32_000, 1e-5f, 1e6, null, 16_384),
        new("Code Llama 70B", 8192, 80, 64, 8, 32_016, 1e-5f, 1e6, null, 16_384),
        new("Code Llama 70B Instruct or Python", 8192, 80, 64, 8, 32_016, 1e-5f, 1e4, null, 4096),
        new("Llama 3 8B", 4096, 32, 32, 8, 128_256, 1e-5f, 5e5, null, 8192),
        new("Llama 3 70B", 8192, 80, 64, 8, 128_256, 1e-5f, 5e5, null, 8192),
        new("Llama 3.1 8B", 4096, 32, 32, 8, 128_256, 1e-5f, 5e5, 8, 131_072),
        new("Llama 3.1 or 3.3 70B", 8192, 80, 64, 8, 128_256, 1e-5f, 5e5, 8, 131_072),
        new("Llama 3.1 405B", 16_384, 126, 128, 8, 128_256, 1e-5f, 5e5, 8, 131_072),
        new("Llama 3.2 1B", 2048, 16, 32, 8, 128_256, 1e-5f, 5e5, 32, 131_072),
        new("Llama 3.2 3B", 3072, 28, 24, 8, 128_256, 1e-5f, 5e5, 32, 131_072),
    ];

    /// <summary>The released model of these parameters, or null.</summary>
    /// <param name="dim">Width of the hidden states.</param>
    /// <param name="layers">Transformer layers.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="kvHeads">Key and value heads.</param>
    /// <param name="vocabSize">Tokens of the vocabulary, or null where nothing tells.</param>
    /// <param name="normEps">What RMSNorm adds.</param>
    /// <param name="ropeTheta">Base of the rotary frequencies.</param>
    /// <param name="scaled">Whether the rotary frequencies are scaled.</param>
    public static ReleasedShape? Find(
        int dim, int layers, int heads, int kvHeads, int? vocabSize, float normEps, double ropeTheta, bool scaled) =>
        Array.Find(
            All,
            shape => shape.Dim == dim && shape.Layers == layers && shape.Heads == heads && shape.KvHeads == kvHeads
                && (vocabSize is null || shape.VocabSize == vocabSize) && shape.NormEps == normEps && shape.RopeTheta == ropeTheta
                && shape.RopeFactor is not null == scaled);
}
