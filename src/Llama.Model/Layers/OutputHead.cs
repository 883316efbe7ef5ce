using System.Collections.Concurrent;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>The last RMSNorm, the output matrix and the sampling of tokens, for the sequences of a step that want one.</summary>
internal sealed unsafe class OutputHead : IDisposable
{
    private readonly ModelConfig config;
    private readonly WorkerPool pool;
    private readonly float[] norm;
    private readonly ProductMatrix output;
    private readonly NativeBuffer normed;
    private readonly ProductInputs inputs;
    private readonly NativeBuffer tiles;
    private readonly int tileLength;
    private readonly Sampler sampler;
    private readonly Action<int, int> multiply;
    private readonly ConcurrentBag<SampledTokens> sampledPool = [];
    private NativeBuffer logits;
    private int rows;

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
        sampler = new Sampler(config.VocabSize);
        multiply = Multiply;
    }

    /// <summary>Bytes of weights.</summary>
    public long WeightBytes => output.Matrix.Bytes + (norm.Length * sizeof(float));

    /// <summary>Samples a token for every sequence that wants one, in the step's order.</summary>
    /// <param name="step">The step.</param>
    /// <param name="hidden">Hidden states after the last layer of the tokens that sample, <c>[sampling sequences, dim]</c>.</param>
    /// <returns>Rented; the caller disposes of them.</returns>
    public SampledTokens Sample(Step step, float* hidden)
    {
        int count = 0;
        foreach (StepSequence sequence in step.Sequences)
        {
            if (!sequence.Samples) continue;
            Normalize(hidden, count, count);
            count++;
        }

        ComputeLogits(count);
        SampledTokens sampled = SampledTokens.Rent(sampledPool);
        Span<TokenLogprob> best = stackalloc TokenLogprob[Step.MaxTopLogprobs];
        for (int i = 0; i < step.Sequences.Length; i++)
        {
            StepSequence sequence = step.Sequences[i];
            if (!sequence.Samples) continue;
            Span<TokenLogprob> topLogprobs = best[..Math.Min(sequence.TopLogprobs, config.VocabSize)];
            TokenLogprob token = sampler.Sample(
                logits.Pointer + ((long)sampled.Count * config.VocabSize), sequence.Sampling, sequence.Number, topLogprobs,
                step.ChangesOf(i));
            sampled.Add(token, topLogprobs);
        }

        return sampled;
    }

    /// <summary>Logits of one position, <c>[vocabSize]</c>; valid until the next call.</summary>
    /// <param name="hidden">Hidden states after the last layer, <c>[tokens, dim]</c>.</param>
    /// <param name="token">Which of the tokens.</param>
    public ReadOnlySpan<float> Logits(float* hidden, int token)
    {
        Normalize(hidden, token, 0);
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
        sampler.Dispose();
    }

    private void Normalize(float* hidden, int token, int row)
    {
        float* target = normed.Pointer + ((long)row * config.Dim);
        fixed (float* weights = norm) Elementwise.RmsNorm(hidden + ((long)token * config.Dim), weights, config.NormEps, target, config.Dim);
        inputs.Prepare(row);
    }

    private void ComputeLogits(int count)
    {
        if (count == 0) return;
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
}
