using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Grains.Text;

/// <summary>What the HTTP side must know of the model that it serves, wherever the model's files are.</summary>
public interface IModelSource
{
    /// <summary>What requests are checked against.</summary>
    /// <exception cref="GenerationException">It is not known yet which model the cluster serves.</exception>
    ModelShape Shape { get; }

    /// <summary>How the model reads and writes text; waits where the files are still being read, for a second at most after the start.</summary>
    /// <exception cref="GenerationException">It is not known yet which model the cluster serves.</exception>
    ModelText Text { get; }
}

/// <summary>A model as requests are checked against it.</summary>
/// <param name="Name">What clients call it.</param>
/// <param name="Fingerprint">Fingerprint of its configuration, as in the handshakes of links.</param>
/// <param name="ContextLength">Its longest sequence, tokens.</param>
/// <param name="VocabSize">Its token ids are below this.</param>
/// <param name="Sampling">How tokens are sampled where a request does not say.</param>
[GenerateSerializer, Immutable, Alias("llama.model-shape")]
public sealed record ModelShape(
    [property: Id(0)] string Name, [property: Id(1)] string Fingerprint, [property: Id(2)] int ContextLength, [property: Id(3)] int VocabSize,
    [property: Id(4)] SamplingParameters Sampling);

/// <summary>A model whose files are read by this process.</summary>
/// <param name="shape">What requests are checked against.</param>
/// <param name="text">Its tokenizer and chat template, which may still be being read.</param>
public sealed class LocalModel(ModelShape shape, Task<ModelText> text) : IModelSource
{
    /// <inheritdoc/>
    public ModelShape Shape => shape;

    /// <inheritdoc/>
    public ModelText Text => text.GetAwaiter().GetResult();

    /// <summary><see cref="Text"/> for who can wait without a thread.</summary>
    internal Task<ModelText> Reading => text;
}
