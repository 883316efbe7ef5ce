using System.Diagnostics;
using Llama.Model;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Torch.Native;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>
/// The forward pass over a range of layers in libtorch. A step is computed in passes of always as many rows, each token attending on its own
/// over positions padded to whole blocks: so a token's bits depend neither on what else is in its step, nor on where steps begin. In the profile
/// <em>same steps</em> a part of a prompt of more than the least shape has passes for itself, of the rows of its shape and with one attention for all of its
/// tokens: its bits depend on the shape as well, and on nothing else.
/// </summary>
internal sealed unsafe class TorchForward : IForward, IRowOutputs
{
    private readonly ModelConfig config;
    private readonly Place place;
    private readonly LayerShape shape;
    private readonly RotaryEmbedding rotary;
    private readonly PassBuffers buffers;
    private readonly StepSampler? sampler;
    private readonly NativeBuffer? state;
    private readonly float[] norm = [];
    private readonly WantedRows wanted;
    private readonly Tensor[] layers;
    private readonly int[] sequenceOf;
    private readonly int[] positionOf;
    private readonly int[] shapes;

    private Step step = new();
    private Tensor? logits;
    private float* hidden;
    private int located;
    private int fetched;
    private int read;
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
        (sequenceOf, positionOf, shapes) = (new int[place.MaxStepTokens], new int[place.MaxStepTokens], new int[place.MaxStepTokens]);
        wanted = new WantedRows(place.MaxStepTokens);
        if (tensors.Output is null) return;
        sampler = new StepSampler(config);
        state = new NativeBuffer(config.Dim);
        using Tensor onHost = tensors.Norm!.to(ScalarType.Float32).cpu();
        norm = onHost.data<float>().ToArray();
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

    /// <summary>Logits of the step's tokens whose logits are asked for, <c>[rows, vocabSize]</c>, until it is sampled from.</summary>
    public ReadOnlySpan<float> AllLogits => new(TorchNative.Pointer(logits!), checked(fetched * config.VocabSize));

    /// <inheritdoc/>
    public void Begin(Step next, PinnedHiddenStates hiddenStates)
    {
        StepValidation.Check(next, config, KvBlocks, hiddenStates.Bytes.Length, place.MaxStepTokens);
        step = next;
        hidden = hiddenStates.Pointer;
        (located, fetched, read) = (0, 0, 0);
        wanted.Find(next);
        int token = 0;
        next.ReadShapes(shapes);
        ReadOnlySpan<StepSequence> sequences = next.Sequences;
        for (int sequence = 0; sequence < sequences.Length; sequence++)
        {
            for (int i = 0; i < sequences[sequence].TokenCount; i++, token++)
                (sequenceOf[token], positionOf[token]) = (sequence, sequences[sequence].FirstPosition + i);
        }

        if (sampler is not null) ReserveLogits(wanted.ForLogits);
        foreach (BlockCopy copy in next.Copies) place.Operations.CopyBlock(layers, copy.Source, copy.Target);
    }

    /// <inheritdoc/>
    public void Compute(int first, int end)
    {
        long started = Stopwatch.GetTimestamp();
        bool all = first == FirstLayer && end == EndLayer;
        Tensor[] some = all ? layers : layers[((first - FirstLayer) * LayerTensors.Count)..((end - FirstLayer) * LayerTensors.Count)];
        for (int token = 0, count; token < step.Tokens.Length; token += count)
        {
            int rows = RowsOf(token);
            count = TokensOfPass(token, rows);
            Pass(some, first, end, token, count, rows);
        }

        buffers.Wait();
        Volatile.Write(ref layerTicks, layerTicks + Stopwatch.GetTimestamp() - started);
        Volatile.Write(ref layersDone, layersDone + end - first);
    }

    /// <inheritdoc/>
    public SampledTokens? Sample() => sampler?.Sample(step, this);

    /// <inheritdoc/>
    public float* Logits(int row) => (float*)TorchNative.Pointer(logits!) + ((long)read++ * config.VocabSize);

    /// <inheritdoc/>
    public ReadOnlySpan<float> State(int row)
    {
        fixed (float* weights = norm)
            Elementwise.RmsNorm(hidden + ((long)wanted[row].Token * config.Dim), weights, config.NormEps, state!.Pointer, config.Dim);
        return new ReadOnlySpan<float>(state.Pointer, config.Dim);
    }

    /// <inheritdoc/>
    public bool Repack() => false;

    /// <inheritdoc/>
    public void Dispose()
    {
        Tensors.Dispose();
        buffers.Dispose();
        sampler?.Dispose();
        logits?.Dispose();
        state?.Dispose();
    }

    private int RowsOf(int token) => place.RowsOf(shapes[sequenceOf[token]]);

    /// <summary>How many tokens from one on are in a pass: those of one sequence, or where passes have always as many rows of several.</summary>
    private int TokensOfPass(int first, int rows)
    {
        int token = first + 1;
        while (token < step.Tokens.Length && token < first + rows
            && (rows > place.Rows ? sequenceOf[token] == sequenceOf[first] : RowsOf(token) == rows))
            token++;
        return token - first;
    }

    /// <summary>Makes room for the logits of so many tokens, in memory of the host that the device copies to fastest.</summary>
    private void ReserveLogits(int tokens)
    {
        long needed = (long)Math.Max(1, tokens) * config.VocabSize;
        if (logits is not null && logits.NumberOfElements >= needed) return;
        logits?.Dispose();
        logits = null;
        logits = place.AllocateHost(ScalarType.Float32, Math.Min(2L * Math.Max(1, tokens), place.MaxStepTokens) * config.VocabSize);
    }

    /// <summary>Computes the layers <c>[first, end)</c>, whose tensors are given, for some tokens of the step.</summary>
    private void Pass(Tensor[] tensors, int first, int end, int firstToken, int count, int rows)
    {
        Locate(firstToken, count, rows);
        bool isLast = end == config.Layers;
        bool states = isLast && AddOutputs(firstToken, count);
        int outputs = buffers.Sampling;
        if (first > 0) buffers.SetHidden(hidden + ((long)firstToken * config.Dim), count);
        buffers.Send(withHidden: first > 0);
        if (!isLast || states)
        {
            using Tensor result = Run(tensors, first, null);
            buffers.FetchHidden(result, hidden + ((long)firstToken * config.Dim), (long)count * config.Dim);
        }

        // What was run for its hidden states already writes the same keys and values again.
        if (!isLast || (states && outputs == 0)) return;
        using Tensor last = Run(tensors, first, outputs > 0 ? new OutputRows(Tensors.Norm!, Tensors.Output!, buffers.Sampled) : null);
        if (outputs == 0) return;
        buffers.Fetch(last, logits!, (long)fetched * config.VocabSize, (long)outputs * config.VocabSize);
        fetched += outputs;
    }

    private Tensor Run(Tensor[] tensors, int first, OutputRows? head) => place.Operations.Run(
        first == 0 ? buffers.Tokens : buffers.Hidden, first == 0 ? Tensors.Embedding : null, tensors, buffers.Rows, shape, head);

    /// <summary>Says after which rows of a pass logits are asked for.</summary>
    /// <returns>Whether hidden states are, too.</returns>
    private bool AddOutputs(int firstToken, int count)
    {
        bool states = false;
        for (; located < wanted.Count && wanted[located].Token < firstToken + count; located++)
        {
            WantedRow row = wanted[located];
            if (row.ForLogits && buffers.Sampling == place.Rows)
                throw new ArgumentException($"Step {step.Epoch}.{step.Number} asks for more than {place.Rows} logits of a sequence.");
            if (row.ForLogits) buffers.AddSampled(row.Token - firstToken);
            states |= row.ForState;
        }

        return states;
    }

    /// <summary>Writes down tokens, positions, rotary angles and block tables of a pass.</summary>
    private void Locate(int firstToken, int count, int rows)
    {
        int blocks = 1;
        for (int token = firstToken; token < firstToken + count; token++) blocks = Math.Max(blocks, (positionOf[token] / Step.BlockTokens) + 1);
        buffers.Begin(count, rows, blocks);
        for (int row = 0; row < count; row++)
        {
            int token = firstToken + row, position = positionOf[token];
            StepSequence sequence = step.Sequences[sequenceOf[token]];
            buffers.Place(row, step.Tokens[token], position, step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount));
            rotary.Angles(position, buffers.Cosines(row), buffers.Sines(row));
        }
    }
}
