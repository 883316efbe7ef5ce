using Llama.Model.Sampling;

namespace Llama.Model;

/// <summary>The members of the family, as far as the checkpoint alone does not tell what to do.</summary>
public enum LlamaFamily
{
    /// <summary>Llama 1: a base model, context 2,048.</summary>
    Llama1,

    /// <summary>Llama 2, and models with its tokenizer that are none of the others.</summary>
    Llama2,

    /// <summary>Code Llama 7B to 34B.</summary>
    CodeLlama,

    /// <summary>Code Llama 70B, whose instruct model has a chat format of its own.</summary>
    CodeLlama70B,

    /// <summary>Llama 3, 3.1, 3.2 and 3.3: tiktoken vocabulary of 128,256.</summary>
    Llama3,
}

/// <summary>Which two elements of a head form one complex number that the rotary embedding turns.</summary>
public enum RotaryLayout
{
    /// <summary>Elements 2i and 2i + 1, as in Meta's files.</summary>
    AdjacentPairs,

    /// <summary>Elements i and i + headDim / 2, as in Hugging Face's files.</summary>
    Halves,
}

/// <summary>Llama 3.1's scaling of the rotary frequencies: long wavelengths are stretched, short ones kept, the band between interpolated.</summary>
/// <param name="Factor">How far long wavelengths are stretched: 8 for the released 3.1 models, 32 for 3.2.</param>
/// <param name="LowFrequencyFactor">Wavelengths above <c>OriginalContext / LowFrequencyFactor</c> are stretched fully.</param>
/// <param name="HighFrequencyFactor">Wavelengths below <c>OriginalContext / HighFrequencyFactor</c> are kept.</param>
/// <param name="OriginalContext">The context length in tokens before scaling.</param>
public sealed record RopeScaling(float Factor, float LowFrequencyFactor, float HighFrequencyFactor, int OriginalContext);

/// <summary>
/// Scaling of the rotary frequencies as GGUF files have it: what the frequency of each pair of a head's elements is divided by. Equal to
/// another of the same numbers.
/// </summary>
/// <param name="factors">One number a pair, <c>[headDim / 2]</c>.</param>
public sealed class RopeFactors(ReadOnlySpan<float> factors) : IEquatable<RopeFactors>
{
    private readonly float[] values = factors.ToArray();

    /// <summary>The same factor for every pair.</summary>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="factor">The factor.</param>
    public static RopeFactors Same(int headDim, double factor)
    {
        float[] factors = new float[headDim / 2];
        Array.Fill(factors, (float)factor);
        return new RopeFactors(factors);
    }

    /// <summary>The numbers.</summary>
    public ReadOnlySpan<float> Values => values;

    /// <summary>What the frequency of a pair is divided by.</summary>
    public float this[int pair] => values[pair];

    /// <inheritdoc/>
    public bool Equals(RopeFactors? other) => other is not null && Values.SequenceEqual(other.Values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as RopeFactors);

    /// <inheritdoc/>
    public override int GetHashCode() => values.Length == 0 ? 0 : HashCode.Combine(values.Length, values[^1]);
}

/// <summary>The shape and constants of one Llama model: what the forward pass must know, whatever format it was read from.</summary>
public sealed record ModelConfig
{
    /// <summary>Width of the hidden states.</summary>
    public required int Dim { get; init; }

    /// <summary>Number of transformer layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads per layer.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads per layer; divides <see cref="Heads"/>.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Width of one head; even. Not always <c>Dim / Heads</c>.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Width of the feed-forward layer.</summary>
    public required int HiddenDim { get; init; }

    /// <summary>Rows of the embedding and of the output head.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Longest sequence in tokens that the model was made for, or that <c>--context</c> set.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Added to the mean square in RMSNorm.</summary>
    public required float NormEps { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>Scaling of the rotary frequencies, or null for none.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>What the rotary frequencies are divided by, or null for nothing; a checkpoint has this or <see cref="RopeScaling"/>.</summary>
    public RopeFactors? RopeFactors { get; init; }

    /// <summary>What the rotary embedding's cosines and sines are multiplied with: more than 1 in models scaled by YaRN.</summary>
    public float RopeMagnitude { get; init; } = 1;

    /// <summary>Which elements of a head the rotary embedding pairs.</summary>
    public required RotaryLayout RotaryLayout { get; init; }

    /// <summary>Whether the output head is the embedding.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>
    /// Elements of the biases in the layer that has most of them, 0 in a model without; held in single precision. Counts memory and no
    /// more: which products have a bias, each layer's tensors tell.
    /// </summary>
    public int BiasElements { get; init; }

    /// <summary>The member of the family.</summary>
    public required LlamaFamily Family { get; init; }

    /// <summary>
    /// Generation ends after any of these tokens: those that the configuration names, which may be none. A vocabulary has its own
    /// (<see cref="Tokenization.ITokenizer.EndTokens"/>).
    /// </summary>
    public required IReadOnlyList<int> EndTokens { get; init; }

    /// <summary>How tokens are sampled where a request does not say: what the checkpoint's authors recommend, else OpenAI's defaults.</summary>
    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>Width of all keys (or all values) of one position: <c>KvHeads × HeadDim</c>.</summary>
    public int KvDim => KvHeads * HeadDim;

    /// <summary>Width of all queries of one position: <c>Heads × HeadDim</c>.</summary>
    public int QueryDim => Heads * HeadDim;

    /// <summary>Weights of one layer, in elements.</summary>
    public long LayerElements => ((2L * QueryDim) + (2L * KvDim) + (3L * HiddenDim) + 2) * Dim;
}
