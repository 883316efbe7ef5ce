using System.Diagnostics;
using Llama.Model;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>
/// The forward pass over a range of layers in libtorch. A step is computed in passes of always as many rows, each token attending on its own
/// over positions padded to whole blocks: so a token's bits depend neither on what else is in its step, nor on where steps begin.
/// </summary>
internal sealed unsafe class TorchForward : IForward
{
    private readonly ModelConfig config;
    private readonly Place place;
    private readonly LayerShape shape;
    private readonly RotaryEmbedding rotary;
    private readonly PassBuffers buffers;
    private readonly StepSampler? sampler;
    private readonly NativeBuffer? logits;
    private readonly Tensor[] layers;
    private readonly int[] sequenceOf = new int[Place.MaxStepTokens];
    private readonly int[] positionOf = new int[Place.MaxStepTokens];

    private Step step = new();
    private float* hidden;
    private int sampled;
    private long layersDone;
    private long layerTicks;

    /// <summary>A forward pass with tensors that are there.</summary>
    /// <param name="config">The model.</param>
    /// <param name="tensors">Weights and pools; this one's from now on.</param>
    /// <param name="place">Where they are.</param>
    public TorchForward(ModelConfig config, RangeTensors tensors, Place place)
    {
        this.config = config;
        this.place = place;
        Tensors = tensors;
        shape = LayerShape.Of(config);
        rotary = new RotaryEmbedding(config);
        layers = tensors.Layers;
        buffers = new PassBuffers(config, place);
        if (tensors.Output is null) return;
        sampler = new StepSampler(config.VocabSize);
        logits = new NativeBuffer((long)Place.MaxStepTokens * config.VocabSize);
    }

    /// <summary>Weights and pools.</summary>
    public RangeTensors Tensors { get; }

    /// <inheritdoc/>
    public int FirstLayer => Tensors.FirstLayer;

    /// <inheritdoc/>
    public int EndLayer => Tensors.EndLayer;

    /// <inheritdoc/>
    public int KvBlocks => Tensors.KvBlocks;

    /// <inheritdoc/>
    public long WeightBytes => Tensors.WeightBytes;

    /// <inheritdoc/>
    public long LayersDone => Volatile.Read(ref layersDone);

    /// <inheritdoc/>
    public TimeSpan LayerTime => Stopwatch.GetElapsedTime(0, Volatile.Read(ref layerTicks));

    /// <summary>Logits of the step's tokens that sample, <c>[sampling sequences, vocabSize]</c>, until it is sampled from.</summary>
    public ReadOnlySpan<float> Logits => new(logits!.Pointer, checked(sampled * config.VocabSize));

    /// <inheritdoc/>
    public void Begin(Step next, PinnedHiddenStates hiddenStates)
    {
        StepValidation.Check(next, config, KvBlocks, hiddenStates.Bytes.Length, Place.MaxStepTokens);
        step = next;
        hidden = hiddenStates.Pointer;
        sampled = 0;
        int token = 0;
        ReadOnlySpan<StepSequence> sequences = next.Sequences;
        for (int sequence = 0; sequence < sequences.Length; sequence++)
        {
            for (int i = 0; i < sequences[sequence].TokenCount; i++, token++)
                (sequenceOf[token], positionOf[token]) = (sequence, sequences[sequence].FirstPosition + i);
        }

        foreach (BlockCopy copy in next.Copies) place.Operations.CopyBlock(layers, copy.Source, copy.Target);
    }

    /// <inheritdoc/>
    public void Compute(int first, int end)
    {
        long started = Stopwatch.GetTimestamp();
        bool all = first == FirstLayer && end == EndLayer;
        Tensor[] some = all ? layers : layers[((first - FirstLayer) * LayerTensors.Count)..((end - FirstLayer) * LayerTensors.Count)];
        for (int token = 0; token < step.Tokens.Length; token += place.Rows)
            Pass(some, first, end, token, Math.Min(place.Rows, step.Tokens.Length - token));
        Volatile.Write(ref layerTicks, layerTicks + Stopwatch.GetTimestamp() - started);
        Volatile.Write(ref layersDone, layersDone + end - first);
    }

    /// <inheritdoc/>
    public SampledTokens? Sample() => sampler?.Sample(step, logits!.Pointer);

    /// <inheritdoc/>
    public bool Repack() => false;

    /// <inheritdoc/>
    public void Dispose()
    {
        Tensors.Dispose();
        buffers.Dispose();
        sampler?.Dispose();
        logits?.Dispose();
    }

    /// <summary>Computes the layers <c>[first, end)</c>, whose tensors are given, for some tokens of the step.</summary>
    private void Pass(Tensor[] tensors, int first, int end, int firstToken, int count)
    {
        Locate(firstToken, count, end == config.Layers);
        int sampling = buffers.Sampling;
        if (first > 0) buffers.SetHidden(hidden + ((long)firstToken * config.Dim), count);
        buffers.Send();
        bool embeds = first == 0;
        using Tensor result = place.Operations.Run(
            embeds ? buffers.Tokens : buffers.Hidden, embeds ? Tensors.Embedding : null, tensors, buffers.Rows, shape,
            sampling > 0 ? new OutputRows(Tensors.Norm!, Tensors.Output!, buffers.Sampled) : null);
        if (sampling > 0)
        {
            buffers.Fetch(result, logits!.Pointer + ((long)sampled * config.VocabSize), (long)sampling * config.VocabSize);
            sampled += sampling;
        }
        else if (end < config.Layers)
        {
            buffers.Fetch(result, hidden + ((long)firstToken * config.Dim), (long)count * config.Dim);
        }
    }

    /// <summary>Writes down tokens, positions, rotary angles and block tables of a pass, and which rows sample.</summary>
    private void Locate(int firstToken, int count, bool samples)
    {
        int blocks = 1;
        for (int token = firstToken; token < firstToken + count; token++) blocks = Math.Max(blocks, (positionOf[token] / Step.BlockTokens) + 1);
        buffers.Begin(count, blocks);
        for (int row = 0; row < count; row++)
        {
            int token = firstToken + row, position = positionOf[token];
            StepSequence sequence = step.Sequences[sequenceOf[token]];
            buffers.Place(row, step.Tokens[token], position, step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount));
            rotary.Angles(position, buffers.Cosines(row), buffers.Sines(row));
            if (samples && sequence.Samples && token == sequence.TokenOffset + sequence.TokenCount - 1) buffers.AddSampled(row);
        }
    }
}
