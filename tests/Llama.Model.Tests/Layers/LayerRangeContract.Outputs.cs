using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <content>What the last range tells besides the tokens that it samples.</content>
public abstract partial class LayerRangeContract
{
    private const int TopLogprobs = 3;

    /// <summary>Steps of 1, 7 and all tokens, alone and with other sequences before and behind; in one range and two.</summary>
    [Fact]
    public async Task RunAsync_OutputsOfAPrompt_HaveTheSameBitsHoweverItIsDividedAndAreTheGoldenOnes()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder, new CheckpointOptions());
        using Checkpoint second = Checkpoint.Open(Folder, new CheckpointOptions());
        await using ILayerRange whole = Load(checkpoint, 0, Layers, KvBlocks, []);
        await using ILayerRange head = Load(second, 0, 1, KvBlocks, []);
        await using ILayerRange tail = Load(second, 1, Layers, KvBlocks, []);
        (byte[] logprobs, long[] sum) = await OutputsAsync(Tokens.Length, beside: false, whole);
        foreach ((int chunk, bool beside, ILayerRange[] ranges) in ((int, bool, ILayerRange[])[])
            [(1, false, [whole]), (7, false, [whole]), (Tokens.Length, true, [whole]), (5, true, [whole]), (9, true, [head, tail])])
        {
            (byte[] others, long[] otherSum) = await OutputsAsync(chunk, beside, ranges);
            Assert.Equal(Convert.ToHexString(logprobs), Convert.ToHexString(others));
            Assert.Equal(sum, otherSum);
        }

        AssertGolden(logprobs);
        AssertGolden(checkpoint.Config, sum, ReadOutput(checkpoint));
    }

    /// <summary>Log-softmax in double precision.</summary>
    private static void AssertGolden(ReadOnlySpan<byte> logprobs)
    {
        GoldenResults golden = GoldenResults.Read(Path.Combine(TestPaths.Fixtures, "llama-3", "golden.json"));
        Assert.Null(PromptLogprobs.FindFault(logprobs, golden.Logits[0].Length, out int told));
        Assert.Equal(Tokens.Length - 1, told);
        for (int i = 1; PromptLogprobs.TryRead(ref logprobs, out PromptLogprob logprob); i++)
        {
            float[] logits = golden.Logits[i - 1];
            double most = logits.Max();
            double logSum = most + Math.Log(logits.Sum(logit => Math.Exp(logit - most)));
            int[] best = [.. Enumerable.Range(0, logits.Length).OrderByDescending(token => logits[token])];
            Assert.Equal((Tokens[i], Array.IndexOf(best, Tokens[i]) + 1), (logprob.Token.Token, logprob.Rank));
            Assert.Equal(best[..TopLogprobs], logprob.TopLogprobs.ToArray().Select(top => top.Token));
            foreach (TokenLogprob token in (TokenLogprob[])[logprob.Token, .. logprob.TopLogprobs])
                Assert.Equal(logits[token.Token] - logSum, token.LogProbability, 2e-4 * (logits.Max() - logits.Min()));
        }
    }

    /// <summary>The product of a sum of states and the output matrix is the sum of their logits.</summary>
    private static void AssertGolden(ModelConfig config, long[] sum, float[][] output)
    {
        GoldenResults golden = GoldenResults.Read(Path.Combine(TestPaths.Fixtures, "llama-3", "golden.json"));
        for (int token = 0; token < config.VocabSize; token++)
        {
            double expected = golden.Logits.Sum(logits => (double)logits[token]);
            double found = 0;
            for (int i = 0; i < config.Dim; i++) found += sum[i] / Math.Pow(2, 32) * output[token][i];
            Assert.Equal(expected, found, 2e-4 * golden.Logits.Sum(logits => (double)(logits.Max() - logits.Min())));
        }
    }

    private static unsafe float[][] ReadOutput(Checkpoint checkpoint)
    {
        WeightMatrix matrix = checkpoint.OpenMatrix(TensorNames.Output, checkpoint.Config.VocabSize, checkpoint.Config.Dim);
        float[][] rows = [.. Enumerable.Range(0, checkpoint.Config.VocabSize).Select(_ => new float[checkpoint.Config.Dim])];
        for (int row = 0; row < rows.Length; row++)
        {
            fixed (float* target = rows[row]) MatrixProduct.ReadRow(matrix, row, target);
        }

        return rows;
    }

    /// <summary>What is told of all tokens in steps of a size, of a prompt that another token is sampled behind.</summary>
    private static async Task<(byte[] Logprobs, long[] Sum)> OutputsAsync(int chunk, bool beside, params ILayerRange[] ranges)
    {
        var logprobs = new List<byte>();
        long[] sum = [];
        for (int first = 0; first < Tokens.Length; first += chunk)
        {
            int end = Math.Min(Tokens.Length, first + chunk);
            var step = new Step { Epoch = 1 };
            if (beside)
            {
                step.AddSamplingSequence(0, [9], [20], new SamplingParameters(), 0.3, 2);
                step.AddSequence(0, [1, 2, 3], [21]);
            }

            if (end < Tokens.Length) step.AddSequence(first, Tokens.AsSpan(first..end), BlockTable);
            else step.AddSamplingSequence(first, Tokens.AsSpan(first..end), BlockTable, new SamplingParameters(), 0.3, 1);
            int asked = Math.Min(end, Tokens.Length - 1) - first;
            if (asked > 0) step.AddPromptLogprobs(0, Tokens.AsSpan(first + 1, asked), TopLogprobs);
            step.AddStateSum(0, end - first);
            if (beside) step.AddSamplingSequence(0, [9], [22], new SamplingParameters(), 0.3, 2);
            using StepOutput output = await RunAsync(step, ranges);
            Assert.Equal((beside ? 2 : 0) + (end == Tokens.Length ? 1 : 0), output.Sampled!.Count);
            if (beside) Assert.Equal(output.Sampled[0].TopLogprobs, output.Sampled[output.Sampled.Count - 1].TopLogprobs);
            Take(output.Sampled.Parts, beside ? 2 : 0, logprobs, ref sum);
        }

        return ([.. logprobs], sum);
    }

    private static void Take(ReadOnlySpan<byte> parts, int sequence, List<byte> logprobs, ref long[] sum)
    {
        while (StepParts.TryRead(ref parts, out StepPart part))
        {
            Assert.Equal(sequence, part.Sequence);
            if (part.Tag.SequenceEqual(ResultParts.PromptLogprobs))
            {
                logprobs.AddRange(part.Contents);
                continue;
            }

            Assert.True(part.Tag.SequenceEqual(ResultParts.StateSum));
            if (sum.Length == 0) sum = new long[part.Contents.Length / sizeof(long)];
            StateSums.Add(sum, part.Contents);
        }
    }
}
