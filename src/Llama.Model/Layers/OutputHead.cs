using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>The last RMSNorm, the output matrix and the sampling of tokens, for the tokens of a step whose output is asked for.</summary>
internal sealed unsafe class OutputHead : IRowOutputs, IDisposable
{
    /// <summary>Rows of a prompt that are multiplied at a time: their logits take much more memory than all else of a step.</summary>
    private const int RowsTogether = 32;

    private readonly ModelConfig config;
    private readonly WorkerPool pool;
    private readonly float[] norm;
    private readonly ProductMatrix output;
    private readonly NativeBuffer normed;
    private readonly ProductInputs inputs;
    private readonly NativeBuffer tiles;
    private readonly int tileLength;
    private readonly StepSampler sampler;
    private readonly Action<int, int> multiply;
    private readonly Action<int, int> measure;
    private readonly NativeBuffer state;
    private NativeBuffer logits;
    private LogitMeasure[] measures = new LogitMeasure[1];
    private int rows;

    // What of the running step has been multiplied.
    private WantedRows asked = new(0);
    private float* hidden;
    private int next;

    /// <summary>Opens the tensors of the head.</summary>
    /// <param name="checkpoint">Has the norm.</param>
    /// <param name="output">The output matrix, which stays its owner's.</param>
    /// <param name="pool">Its threads compute.</param>
    /// <exception cref="CheckpointException">One is missing or of another shape.</exception>
    public OutputHead(Checkpoint checkpoint, ProductMatrix output, WorkerPool pool)
    {
        config = checkpoint.Config;
        this.pool = pool;
        norm = checkpoint.ReadVector(TensorNames.Norm, config.Dim);
        this.output = output;
        normed = new NativeBuffer((long)CpuBuffers.MaxTokens * config.Dim);
        inputs = new ProductInputs(CpuBuffers.MaxTokens, config.Dim);
        inputs.Reset(normed.Pointer, CpuBuffers.MaxTokens, output.Matrix);
        tileLength = ProductInputs.ScratchLength(CpuBuffers.MaxTokens);
        tiles = new NativeBuffer((long)pool.ThreadCount * tileLength);
        logits = new NativeBuffer(config.VocabSize);
        state = new NativeBuffer(config.Dim);
        sampler = new StepSampler(config);
        multiply = Multiply;
        measure = Measure;
    }

    /// <summary>Bytes of weights.</summary>
    public long WeightBytes => output.Matrix.Bytes + (norm.Length * sizeof(float));

    /// <summary>Samples a token for every sequence that wants one, in the step's order, and tells what else is asked for.</summary>
    /// <param name="step">The step.</param>
    /// <param name="outputs">The tokens whose output is asked for.</param>
    /// <param name="states">Their hidden states after the last layer, <c>[rows, dim]</c>.</param>
    /// <returns>Rented; the caller disposes of them.</returns>
    public SampledTokens Sample(Step step, WantedRows outputs, float* states)
    {
        (asked, rows, next) = (outputs, 0, 0);
        hidden = states;
        return sampler.Sample(step, this);
    }

    /// <inheritdoc/>
    public float* Logits(int row)
    {
        if (next == rows) MultiplyFrom(row);
        return logits.Pointer + ((long)next++ * config.VocabSize);
    }

    /// <inheritdoc/>
    public LogitMeasure? Measured => measures[next - 1];

    /// <inheritdoc/>
    public ReadOnlySpan<float> State(int row)
    {
        fixed (float* weights = norm) Elementwise.RmsNorm(hidden + ((long)row * config.Dim), weights, config.NormEps, state.Pointer, config.Dim);
        return new ReadOnlySpan<float>(state.Pointer, config.Dim);
    }

    /// <summary>Logits of one position, <c>[vocabSize]</c>; valid until the next call.</summary>
    /// <param name="states">Hidden states after the last layer, <c>[tokens, dim]</c>.</param>
    /// <param name="token">Which of the tokens.</param>
    public ReadOnlySpan<float> Logits(float* states, int token)
    {
        Normalize(states, token, 0);
        ComputeLogits(1);
        return new ReadOnlySpan<float>(logits.Pointer, config.VocabSize);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        normed.Dispose();
        inputs.Dispose();
        tiles.Dispose();
        logits.Dispose();
        state.Dispose();
        sampler.Dispose();
    }

    /// <summary>Computes the logits of the rows from one on: as many as sample, or some of a prompt, if these are more.</summary>
    private void MultiplyFrom(int row)
    {
        int most = Math.Max(RowsTogether, asked.Sampling);
        int count = 0;
        for (; row < asked.Count && count < most; row++)
        {
            if (asked[row].ForLogits) Normalize(hidden, row, count++);
        }

        next = 0;
        ComputeLogits(count);
        if (measures.Length < count) measures = new LogitMeasure[count];
        if (count == 1) Measure(0, 1);
        else pool.Run(measure);
    }

    private void Normalize(float* states, int token, int row)
    {
        float* target = normed.Pointer + ((long)row * config.Dim);
        fixed (float* weights = norm) Elementwise.RmsNorm(states + ((long)token * config.Dim), weights, config.NormEps, target, config.Dim);
        inputs.Prepare(row);
    }

    private void ComputeLogits(int count)
    {
        if (logits.Length < (long)count * config.VocabSize)
        {
            // In this order: a refused allocation must leave the buffer that there is.
            var larger = new NativeBuffer((long)count * config.VocabSize);
            logits.Dispose();
            logits = larger;
        }

        rows = count;
        pool.Run(multiply);
    }

    private void Multiply(int part, int parts)
    {
        (int first, int end) = WorkerPool.Share(output.Matrix.Rows, part, parts, Lanes.Count);
        inputs.Multiply(output.Matrix, first, end, rows, logits.Pointer, tiles.Pointer + ((long)part * tileLength));
    }

    private void Measure(int part, int parts)
    {
        (int first, int end) = WorkerPool.Share(rows, part, parts);
        for (int row = first; row < end; row++)
            measures[row] = LogitMeasure.Of(logits.Pointer + ((long)row * config.VocabSize), config.VocabSize);
    }
}
