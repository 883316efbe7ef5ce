using System.Diagnostics;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.KeyValueCache;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>
/// The forward pass over a range of layers. A layer is six regions, each run by all threads of the pool with a barrier after it; a thread takes
/// a share of the tokens, heads or rows, and no sum is ever split between threads. Where shares end in the middle of a head, or of a block of rounded
/// inputs, there are a few regions more.
/// </summary>
internal sealed unsafe class CpuForward : IForward
{
    /// <summary>What a step that has just come waits for at most: a millisecond or two.</summary>
    private const long RepackBytes = 4 << 20;

    private readonly ModelConfig config;
    private readonly Queue<ProductMatrix> mapped = new();
    private readonly WeightMemory weightMemory = new();
    private readonly WeightMatrix? embeddings;
    private readonly OutputHead? head;
    private readonly KvCache cache;
    private readonly RotaryEmbedding rotary;
    private readonly WorkerPool pool;
    private readonly CpuBuffers buffers;
    private readonly WantedRows wanted = new(CpuBuffers.MaxTokens);

    private readonly Action<int, int> embed;
    private readonly Action<int, int> computeAngles;
    private readonly Action<int, int> attentionNorm;
    private readonly Action<int, int> attendWithOwnHeads;
    private readonly Action<int, int> queriesKeysValues;
    private readonly Action<int, int> rotateAndStore;
    private readonly Action<int, int> attend;
    private readonly Action<int, int> roundAttended;
    private readonly Action<int, int> attentionOutput;
    private readonly Action<int, int> ffnNorm;
    private readonly Action<int, int> gateAndUp;
    private readonly Action<int, int> roundGate;
    private readonly Action<int, int> down;

    /// <summary>Whether the threads' shares of queries, keys and values are whole heads, so that each attends with its own.</summary>
    private readonly bool sharesAreHeads;

    private LayerWeights[] layers;
    private ProductMatrix? output;

    // What the regions of the running step work on.
    private Step step = new();
    private int tokens;
    private int outputs;
    private int runs;
    private int nextAttention;
    private int layer;
    private float* hidden;
    private long layersDone;
    private long layerTicks;

    /// <summary>Maps the weights of a range.</summary>
    /// <param name="checkpoint">Stays open until this is disposed of.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="kvType">Type that keys and values are kept in.</param>
    /// <param name="kvBlocks">Blocks in every layer's pool.</param>
    /// <param name="threads">Compute threads.</param>
    /// <param name="before">What a range before leaves to this, which owns it from now on; null when there was none.</param>
    /// <exception cref="CheckpointException">A tensor is missing or wrong, or the model's heads cannot be kept in the KV type.</exception>
    public CpuForward(
        Checkpoint checkpoint, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, int threads, KeptLayers? before = null)
    {
        config = checkpoint.Config;
        KvTypes.Check(kvType, config);
        QueuedLayerRange.CheckRange(config, firstLayer, endLayer, kvBlocks);
        FirstLayer = firstLayer;
        EndLayer = endLayer;
        if (firstLayer == 0) embeddings = checkpoint.OpenMatrix(TensorNames.TokenEmbeddings, config.VocabSize, config.Dim);
        layers = new LayerWeights[endLayer - firstLayer];
        pool = new WorkerPool(threads, $"layers {firstLayer}-{endLayer} worker");
        try
        {
            for (int i = 0; i < layers.Length; i++)
                layers[i] = before?.Layers.GetValueOrDefault(firstLayer + i) ?? new LayerWeights(checkpoint, firstLayer + i, Open);
            if (endLayer == config.Layers)
            {
                output = before?.Output ?? Open(TensorNames.Output, config.VocabSize, config.Dim, null);
                head = new OutputHead(checkpoint, output, pool);
            }

            foreach (ProductMatrix matrix in before?.Matrices ?? []) mapped.Enqueue(matrix);
            cache = before?.Cache ?? new KvCache(config, kvType, layers.Length, kvBlocks);
            rotary = new RotaryEmbedding(config);
            buffers = new CpuBuffers(config, threads);
            if (before is null) KernelWarmUp.Run(ProductTypes(), config, kvType);
        }
        catch
        {
            // Nobody else could end the threads; memory has finalizers.
            pool.Dispose();
            throw;
        }

        ProductMatrix Open(string name, int rows, int columns, float[]? bias) => OpenProduct(checkpoint, name, rows, columns, bias);
        embed = Embed;
        computeAngles = ComputeAngles;
        attentionNorm = AttentionNorm;
        attendWithOwnHeads = AttendWithOwnHeads;
        queriesKeysValues = QueriesKeysValues;
        rotateAndStore = RotateAndStore;
        attend = Attend;
        roundAttended = RoundAttended;
        attentionOutput = AttentionOutput;
        ffnNorm = FfnNorm;
        gateAndUp = GateAndUp;
        roundGate = RoundGate;
        down = Down;
        sharesAreHeads = config.KvHeads % threads == 0 && config.HeadDim % Lanes.Count == 0;
    }

    /// <inheritdoc/>
    public int FirstLayer { get; }

    /// <inheritdoc/>
    public int EndLayer { get; }

    /// <inheritdoc/>
    public int KvBlocks => cache.Blocks;

    /// <inheritdoc/>
    public long WeightBytes => layers.Sum(l => l.Bytes) + (embeddings?.Bytes ?? 0) + (head?.WeightBytes ?? 0);

    /// <summary>Bytes of weights that a step reads: all but the embeddings, of which it takes a row for each token.</summary>
    public long StepBytes => WeightBytes - (embeddings?.Bytes ?? 0);

    /// <inheritdoc/>
    public long LayersDone => Volatile.Read(ref layersDone);

    /// <inheritdoc/>
    public TimeSpan LayerTime => Stopwatch.GetElapsedTime(0, Volatile.Read(ref layerTicks));

    /// <summary>The output head; null unless the range ends with the last layer.</summary>
    public OutputHead? Head => head;

    /// <summary>
    /// Runs a step. The hidden states are replaced by those after this range; the result is null, or after the last layer the tokens sampled,
    /// which the caller gives back. Once buffers have grown to the steps that come, a step allocates nothing.
    /// </summary>
    /// <exception cref="ArgumentException">The step does not fit the model or the range.</exception>
    public SampledTokens? Run(Step next, PinnedHiddenStates hiddenStates)
    {
        Begin(next, hiddenStates);
        Compute(FirstLayer, EndLayer);
        return Sample();
    }

    /// <inheritdoc/>
    public void Begin(Step next, PinnedHiddenStates hiddenStates)
    {
        StepValidation.Check(next, config, cache.Blocks, hiddenStates.Bytes.Length, CpuBuffers.MaxTokens);
        step = next;
        tokens = next.Tokens.Length;
        hidden = hiddenStates.Pointer;
        wanted.Find(next);
        foreach (BlockCopy copy in next.Copies) cache.CopyBlock(copy.Source, copy.Target);
    }

    /// <inheritdoc/>
    public void Compute(int first, int end) => Compute(first, end, everyPosition: false);

    /// <summary>
    /// Computes some layers of the step that has begun; the hidden states are replaced by those after them. After the last layer of all
    /// these are of the tokens alone whose output is asked for, in order: of the others only keys and values are ever read.
    /// </summary>
    /// <param name="first">First of them.</param>
    /// <param name="end">The one after the last.</param>
    /// <param name="everyPosition">Whether all hidden states are wanted after the last layer of all, too; then nothing can be sampled.</param>
    public void Compute(int first, int end, bool everyPosition)
    {
        if (first == 0) RunByTokens(embed);
        Locate();
        RunByTokens(computeAngles);
        for (layer = first - FirstLayer; layer < end - FirstLayer; layer++)
        {
            long started = Stopwatch.GetTimestamp();
            outputs = tokens;
            if (FirstLayer + layer == config.Layers - 1 && !everyPosition) PutOutputsFirst();
            LayerWeights weights = layers[layer];
            buffers.NormedInputs.Reset(buffers.Normed, tokens, weights.Wq.Matrix, weights.Wk.Matrix, weights.Wv.Matrix);
            RunByTokens(attentionNorm);
            buffers.AttendedInputs.Reset(buffers.Attended, outputs, weights.Wo.Matrix);
            AttendAll();
            tokens = outputs;
            if (tokens > 0) FeedForward(weights);
            Volatile.Write(ref layerTicks, layerTicks + Stopwatch.GetTimestamp() - started);
            Volatile.Write(ref layersDone, layersDone + 1);
        }
    }

    /// <inheritdoc/>
    public SampledTokens? Sample() => head?.Sample(step, wanted, hidden);

    /// <inheritdoc/>
    /// <remarks>Copies some more of the weights to where products read them faster.</remarks>
    public bool Repack()
    {
        while (mapped.TryPeek(out ProductMatrix? repacked) && repacked.IsRepacked) mapped.Dequeue();
        if (!mapped.TryPeek(out ProductMatrix? next)) return false;
        next.Repack(pool, RepackBytes);
        return true;
    }

    /// <summary>
    /// Ends this range for another one of the same checkpoint, which takes over weights and blocks of the layers that both have. The other
    /// weights are given back.
    /// </summary>
    /// <param name="checkpoint">That which this range was mapped from.</param>
    /// <param name="firstLayer">First layer of the other.</param>
    /// <param name="endLayer">The layer after its last.</param>
    /// <param name="kvBlocks">Blocks in every layer's pool.</param>
    /// <param name="carried">The blocks that go on, in the order of their new numbers; null when the numbers stay as they are.</param>
    public KeptLayers Leave(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int>? carried)
    {
        bool embeds = firstLayer == 0;
        bool samples = endLayer == config.Layers;
        var kept = new Dictionary<int, LayerWeights>();
        for (int i = 0; i < layers.Length; i++)
        {
            if (FirstLayer + i >= firstLayer && FirstLayer + i < endLayer) kept.Add(FirstLayer + i, layers[i]);
            else foreach (ProductMatrix matrix in layers[i].Matrices) GiveBack(matrix);
        }

        if (output is not null && !samples) GiveBack(output);
        if (embeddings is not null && !embeds && !(samples && config.TiedEmbeddings)) checkpoint.Release(embeddings.Name);
        var left = new KeptLayers(
            cache.Repartition(firstLayer - FirstLayer, endLayer - firstLayer, kvBlocks, carried), kept, samples ? output : null);
        (layers, output) = ([], null);
        Dispose();
        return left;

        void GiveBack(ProductMatrix matrix)
        {
            matrix.Dispose();
            if (!(embeds && matrix.Matrix.Name == TensorNames.TokenEmbeddings)) checkpoint.Release(matrix.Matrix.Name);
        }
    }

    /// <summary>Pins the threads to cores in order, the calling thread first, which is the one that runs the steps.</summary>
    /// <param name="cores">At least one for each thread.</param>
    /// <exception cref="IOException">The process may not use a core.</exception>
    /// <exception cref="InvalidOperationException">The same, where several threads compute.</exception>
    public void PinThreads(IReadOnlyList<int> cores) => pool.Run((part, _) => ThreadAffinity.Pin(cores[part]));

    /// <inheritdoc/>
    public void Dispose()
    {
        pool.Dispose();
        head?.Dispose();
        cache.Dispose();
        buffers.Dispose();
        output?.Dispose();
        foreach (LayerWeights weights in layers) weights.Dispose();
        weightMemory.Dispose();
    }

    /// <summary>
    /// Opens a matrix for products. What is there in memory alone is interleaved at once, and so are types that kernels take in no other way;
    /// mapped files serve first as they lie.
    /// </summary>
    private ProductMatrix OpenProduct(Checkpoint checkpoint, string name, int rows, int columns, float[]? bias)
    {
        WeightMatrix stored = checkpoint.OpenMatrix(name, rows, columns);
        var product = new ProductMatrix(stored, bias, weightMemory);
        if (stored.IsMapped && !InterleavedRows.AreNeeded(stored.Type))
        {
            mapped.Enqueue(product);
            return product;
        }

        while (!product.IsRepacked) product.Repack(pool, long.MaxValue);

        // Pages of a mapped file are given back already, and tied embeddings are looked up as they were.
        if (!stored.IsMapped && product.Matrix != stored && stored.Name != TensorNames.TokenEmbeddings) checkpoint.Release(name);
        return product;
    }

    private IEnumerable<ElementType> ProductTypes()
    {
        IEnumerable<ProductMatrix> matrices = layers.SelectMany(weights => weights.Matrices);
        return (output is null ? matrices : matrices.Append(output)).Select(product => product.Matrix.Type);
    }

    /// <summary>Queries, keys and values, and attention for the tokens whose output is wanted.</summary>
    private void AttendAll()
    {
        if (sharesAreHeads)
        {
            pool.Run(attendWithOwnHeads);
        }
        else
        {
            pool.Run(queriesKeysValues);
            RunByTokens(rotateAndStore);
            nextAttention = 0;
            if (outputs > 0) pool.Run(attend);
        }
    }

    /// <summary>The layer from the output of its attention on.</summary>
    private void FeedForward(LayerWeights weights)
    {
        if (!AttendedAreRounded(pool.ThreadCount)) RunByTokens(roundAttended);
        pool.Run(attentionOutput);
        buffers.NormedInputs.Reset(buffers.Normed, tokens, weights.W1.Matrix, weights.W3.Matrix);
        RunByTokens(ffnNorm);
        buffers.GateInputs.Reset(buffers.Gate, tokens, weights.W2.Matrix);
        pool.Run(gateAndUp);
        if (!GateIsRounded(pool.ThreadCount)) RunByTokens(roundGate);
        pool.Run(down);
    }

    /// <summary>Whether there is nothing to round after attention, or each thread has rounded its heads' outputs, which are whole blocks.</summary>
    private bool AttendedAreRounded(int parts)
    {
        int blockElements = buffers.AttendedInputs.BlockElements;
        return blockElements == 1 || (sharesAreHeads && config.QueryDim % (parts * blockElements) == 0);
    }

    /// <summary>The same of the gate.</summary>
    private bool GateIsRounded(int parts)
    {
        int blockElements = buffers.GateInputs.BlockElements;
        return blockElements == 1 || config.HiddenDim % (parts * blockElements) == 0;
    }

    /// <summary>A region whose work is divided by tokens: a single token is not worth a barrier.</summary>
    private void RunByTokens(Action<int, int> region)
    {
        if (tokens == 1) region(0, 1);
        else pool.Run(region);
    }

    /// <summary>
    /// Writes down sequence and position of every token of the step, and the runs of tokens that attend together.
    /// </summary>
    private void Locate()
    {
        runs = 0;
        int token = 0;
        ReadOnlySpan<StepSequence> sequences = step.Sequences;
        for (int sequence = 0; sequence < sequences.Length; sequence++)
        {
            for (int i = 0; i < sequences[sequence].TokenCount; i++, token++)
            {
                buffers.SequenceOf[token] = sequence;
                buffers.PositionOf[token] = sequences[sequence].FirstPosition + i;
                if (i % Attention.MaxTokens != 0) continue;
                buffers.RunStarts[runs] = token;
                buffers.RunLengths[runs++] = Math.Min(Attention.MaxTokens, sequences[sequence].TokenCount - i);
            }
        }
    }

    /// <summary>Brings the tokens whose output is asked for, in order, before the others, and says that only theirs is wanted.</summary>
    private void PutOutputsFirst()
    {
        outputs = wanted.Count;
        if (outputs == tokens) return;
        for (int row = 0; row < outputs; row++) Exchange(row, wanted[row].Token);
        runs = 0;
        for (int row = 0; row < outputs; row++)
        {
            if (runs > 0 && Continues(buffers.RunStarts[runs - 1], buffers.RunLengths[runs - 1], row)) buffers.RunLengths[runs - 1]++;
            else (buffers.RunStarts[runs], buffers.RunLengths[runs++]) = (row, 1);
        }
    }

    /// <summary>Whether a token attends together with those of a run before it.</summary>
    private bool Continues(int start, int length, int token) =>
        length < Attention.MaxTokens && buffers.SequenceOf[token] == buffers.SequenceOf[start]
        && buffers.PositionOf[token] == buffers.PositionOf[start] + length;

    private void Exchange(int token, int other)
    {
        if (token == other) return;
        var states = new Span<float>(hidden + ((long)token * config.Dim), config.Dim);
        var otherStates = new Span<float>(hidden + ((long)other * config.Dim), config.Dim);
        var kept = new Span<float>(buffers.Projected, config.Dim);
        states.CopyTo(kept);
        otherStates.CopyTo(states);
        kept.CopyTo(otherStates);
        (buffers.SequenceOf[token], buffers.SequenceOf[other]) = (buffers.SequenceOf[other], buffers.SequenceOf[token]);
        (buffers.PositionOf[token], buffers.PositionOf[other]) = (buffers.PositionOf[other], buffers.PositionOf[token]);
        ComputeAngles(token);
        ComputeAngles(other);
    }

    private void Embed(int part, int parts)
    {
        (int first, int end) = WorkerPool.Share(tokens, part, parts);
        for (int t = first; t < end; t++) MatrixProduct.ReadRow(embeddings!, step.Tokens[t], hidden + ((long)t * config.Dim));
    }

    private void ComputeAngles(int part, int parts)
    {
        (int first, int end) = WorkerPool.Share(tokens, part, parts);
        for (int t = first; t < end; t++) ComputeAngles(t);
    }

    private void ComputeAngles(int token) => rotary.Angles(buffers.PositionOf[token], buffers.Cosines(token), buffers.Sines(token));

    private void AttentionNorm(int part, int parts) => Norm(layers[layer].AttentionNorm, part, parts);

    private void FfnNorm(int part, int parts) => Norm(layers[layer].FfnNorm, part, parts);

    private void Norm(float[] norm, int part, int parts)
    {
        (int first, int end) = WorkerPool.Share(tokens, part, parts);
        fixed (float* weights = norm)
        {
            for (int t = first; t < end; t++)
            {
                long offset = (long)t * config.Dim;
                Elementwise.RmsNorm(hidden + offset, weights, config.NormEps, buffers.Normed + offset, config.Dim);
                buffers.NormedInputs.Prepare(t);
            }
        }
    }

    private void RoundAttended(int part, int parts) => Round(buffers.AttendedInputs, part, parts);

    private void RoundGate(int part, int parts) => Round(buffers.GateInputs, part, parts);

    private void Round(ProductInputs inputs, int part, int parts)
    {
        (int first, int end) = WorkerPool.Share(tokens, part, parts);
        for (int t = first; t < end; t++) inputs.Prepare(t);
    }

    /// <summary>
    /// Queries, keys and values of this part's heads, and attention with these: what one thread computes it reads, so there is nothing to wait for.
    /// </summary>
    private void AttendWithOwnHeads(int part, int parts)
    {
        QueriesKeysValues(part, parts);
        (int first, int end) = WorkerPool.Share(config.KvHeads, part, parts);

        // Single tokens take all heads together, in the order in which a block lies; for several that would be more than the first-level cache holds.
        int together = runs == outputs ? end - first : 1;
        for (int head = first; head < end; head += together)
        {
            RotateAndStore(0, tokens, head, head + together);
            for (int run = 0; run < runs && outputs > 0; run++) Attend(run, head, head + together, part);
        }

        if (!AttendedAreRounded(parts)) return;
        int width = config.QueryDim / parts;
        for (int t = 0; t < outputs; t++) buffers.AttendedInputs.Prepare(t, part * width, (part + 1) * width);
    }

    private void QueriesKeysValues(int part, int parts)
    {
        LayerWeights weights = layers[layer];
        if (outputs > 0) Multiply(weights.Wq, buffers.NormedInputs, outputs, buffers.Queries, part, parts);
        Multiply(weights.Wk, buffers.NormedInputs, tokens, buffers.Keys, part, parts);
        Multiply(weights.Wv, buffers.NormedInputs, tokens, buffers.Values, part, parts);
    }

    private void RotateAndStore(int part, int parts)
    {
        (int first, int end) = WorkerPool.Share(tokens, part, parts);
        RotateAndStore(first, end, 0, config.KvHeads);
    }

    /// <summary>Turns queries and keys of some tokens and heads, and stores keys and values.</summary>
    private void RotateAndStore(int firstToken, int endToken, int firstKvHead, int endKvHead)
    {
        int headDim = config.HeadDim, group = config.Heads / config.KvHeads;
        for (int h = firstKvHead; h < endKvHead; h++)
        {
            for (int t = firstToken; t < endToken; t++)
            {
                float* cosines = buffers.Cosines(t), sines = buffers.Sines(t);
                float* query = buffers.Queries + ((long)t * config.QueryDim) + (h * group * headDim);
                for (int i = 0; i < group && t < outputs; i++) rotary.Rotate(query + (i * headDim), cosines, sines);
                float* key = buffers.Keys + ((long)t * config.KvDim) + (h * headDim);
                rotary.Rotate(key, cosines, sines);
                (int block, int slot) = Math.DivRem(buffers.PositionOf[t], KvCache.BlockTokens);
                cache.Write(layer, BlockTable(t)[block], h, slot, key, buffers.Values + ((long)t * config.KvDim) + (h * headDim));
            }
        }
    }

    /// <summary>
    /// Runs take different times, so each thread takes the next one that nobody has: latest positions first. Single tokens take as many
    /// heads together as leave every thread a share; for several tokens that would be more than the first-level cache holds.
    /// </summary>
    private void Attend(int part, int parts)
    {
        int slices = runs == outputs ? Math.Min(parts, config.KvHeads) : config.KvHeads;
        int items = runs * slices;
        for (int item = Interlocked.Increment(ref nextAttention); item <= items; item = Interlocked.Increment(ref nextAttention))
        {
            (int run, int slice) = Math.DivRem(items - item, slices);
            (int first, int end) = WorkerPool.Share(config.KvHeads, slice, slices, 1);
            Attend(run, first, end, part);
        }
    }

    /// <summary>Attention of a run of tokens with some heads.</summary>
    private void Attend(int run, int firstKvHead, int endKvHead, int part)
    {
        int group = config.Heads / config.KvHeads, token = buffers.RunStarts[run];
        long offset = ((long)token * config.QueryDim) + (firstKvHead * group * config.HeadDim);
        Attention.Attend(
            cache, layer, BlockTable(token), firstKvHead, endKvHead, buffers.PositionOf[token], buffers.RunLengths[run],
            group, config.HeadDim, buffers.Queries + offset, buffers.Attended + offset, config.QueryDim, buffers.Softmax(part));
    }

    private void AttentionOutput(int part, int parts) => MultiplyAndAdd(layers[layer].Wo, buffers.AttendedInputs, part, parts);

    private void GateAndUp(int part, int parts)
    {
        LayerWeights weights = layers[layer];
        int grain = GateIsRounded(parts) ? buffers.GateInputs.BlockElements : 1;
        (int first, int end) = Multiply(weights.W1, buffers.NormedInputs, tokens, buffers.Gate, part, parts, grain);
        Multiply(weights.W3, buffers.NormedInputs, tokens, buffers.Up, part, parts, grain);
        for (int t = 0; t < tokens; t++)
        {
            long offset = ((long)t * config.HiddenDim) + first;
            Elementwise.SiluMultiply(buffers.Gate + offset, buffers.Up + offset, end - first);
            if (grain > 1) buffers.GateInputs.Prepare(t, first, end);
        }
    }

    private void Down(int part, int parts) => MultiplyAndAdd(layers[layer].W2, buffers.GateInputs, part, parts);

    /// <summary>This part's rows of a product and its bias, for the first tokens. The bias is added to whole sums, and nowhere else.</summary>
    private (int First, int End) Multiply(
        ProductMatrix product, ProductInputs inputs, int count, float* output, int part, int parts, int grain = 1)
    {
        WeightMatrix weights = product.Matrix;
        (int first, int end) = WorkerPool.Share(weights.Rows, part, parts, Math.Max(grain, Lanes.Count));
        inputs.Multiply(weights, first, end, count, output, buffers.Tile(part));
        if (product.Bias is null) return (first, end);
        fixed (float* bias = product.Bias)
        {
            for (int t = 0; t < count; t++) Elementwise.Add(output + ((long)t * weights.Rows) + first, bias + first, end - first);
        }

        return (first, end);
    }

    /// <summary>This part's rows of a product, added to the hidden states.</summary>
    private void MultiplyAndAdd(ProductMatrix product, ProductInputs inputs, int part, int parts)
    {
        (int first, int end) = Multiply(product, inputs, tokens, buffers.Projected, part, parts);
        for (int t = 0; t < tokens; t++)
        {
            long offset = ((long)t * config.Dim) + first;
            Elementwise.Add(hidden + offset, buffers.Projected + offset, end - first);
        }
    }

    private ReadOnlySpan<int> BlockTable(int token)
    {
        StepSequence sequence = step.Sequences[buffers.SequenceOf[token]];
        return step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount);
    }
}
