namespace Llama.Model.Layers;

/// <summary>
/// The forward pass over a range of layers on one device, called by one thread at a time. A step is begun, some or all of its layers are computed in order,
/// and it is ended by sampling. Between these calls the hidden states lie in host memory.
/// </summary>
internal interface IForward : IDisposable
{
    /// <summary>First layer.</summary>
    int FirstLayer { get; }

    /// <summary>The layer after the last.</summary>
    int EndLayer { get; }

    /// <summary>Blocks in each KV pool.</summary>
    int KvBlocks { get; }

    /// <summary>Bytes of weights held or mapped.</summary>
    long WeightBytes { get; }

    /// <summary>Layers of all steps that have been computed: any thread may look.</summary>
    long LayersDone { get; }

    /// <summary>What computing them took: any thread may look.</summary>
    TimeSpan LayerTime { get; }

    /// <summary>Begins a step: checks it, and copies its blocks in every layer.</summary>
    /// <exception cref="ArgumentException">The step does not fit the model or the range.</exception>
    void Begin(Step next, PinnedHiddenStates hiddenStates);

    /// <summary>
    /// Computes the layers <c>[first, end)</c> of the step that has begun; the hidden states are replaced by those after them, but after
    /// the last layer of all, where only <see cref="Sample"/> needs them, their contents are undefined.
    /// </summary>
    void Compute(int first, int end);

    /// <summary>Ends the step: after the last layer of all, samples its tokens, which the caller gives back; else null.</summary>
    SampledTokens? Sample();

    /// <summary>Does some work that makes later steps faster; between steps.</summary>
    /// <returns>Whether there was something left to do.</returns>
    bool Repack();
}
