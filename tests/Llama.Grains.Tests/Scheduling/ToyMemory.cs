using Llama.Grains.Links;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>
/// Computes steps of the toy model. Its stages, of one layer each, keep tokens in blocks, as real ones keep keys and values, and a log of
/// what they put out. What is sampled depends on what the block table says in every stage: a wrong table, position or copy, a block given
/// away too early, or one that a stage has lost, changes the tokens. Within a step sequences have no order, so none may read or write
/// what another one writes.
/// </summary>
internal sealed class ToyMemory(int blockCount, int stages = 1)
{
    private static readonly (int Token, int Position) Nothing = (-1, -1);

    private readonly (int Token, int Position)[][] blocks = [.. Enumerable.Range(0, stages).Select(_ => Empty(blockCount))];
    private readonly (int Token, int Position)[][] logs = [.. Enumerable.Range(0, stages).Select(_ => Empty(blockCount))];
    private int kvBlocks = blockCount;

    /// <summary>Tokens that were computed, by the stage that computed most.</summary>
    public int Computed => Work.Max();

    /// <summary>Tokens that each stage has computed.</summary>
    public int[] Work { get; } = new int[stages];

    /// <summary>A stage's process is replaced by another.</summary>
    public void Lose(int stage)
    {
        blocks[stage] = Empty(kvBlocks);
        logs[stage] = Empty(kvBlocks);
    }

    /// <summary>The pools get another number of blocks, and those that go on other numbers.</summary>
    public void Renumber(int count, IReadOnlyList<int> carried)
    {
        kvBlocks = count;
        foreach ((int Token, int Position)[][] pools in new[] { blocks, logs })
        {
            for (int stage = 0; stage < stages; stage++)
            {
                (int Token, int Position)[] old = pools[stage];
                pools[stage] = Empty(count);
                for (int block = 0; block < carried.Count; block++) Array.Copy(old, carried[block] * 16, pools[stage], block * 16, 16);
            }
        }
    }

    /// <summary>Computes a step, or as much of it as was done when the pipeline was lost.</summary>
    /// <param name="step">The step.</param>
    /// <param name="reached">Stages that compute it.</param>
    public StepResult Compute(Step step, int reached = int.MaxValue)
    {
        AssertApart(step);
        for (int stage = 0; stage < Math.Min(stages, reached); stage++) ComputeStage(step, stage);
        var sampled = new SampledTokens();
        ReadOnlySpan<byte> questions = step.Parts;
        while (StepParts.TryRead(ref questions, out StepPart question))
        {
            if (!StepParts.AsksForRows(question.Tag)) continue;
            Assert.Equal((0, int.MaxValue), (step.FirstLayer, step.EndLayer));
            sampled.AddParts(ToyOutputs.Answer(question, Read(step, step.Sequences[question.Sequence]), step.Sequences[question.Sequence].FirstPosition));
        }

        foreach (StepSequence sequence in step.Sequences)
        {
            if (!sequence.Samples) continue;
            Assert.Equal((0, int.MaxValue), (step.FirstLayer, step.EndLayer));
            int[] all = Read(step, sequence);
            var token = new TokenLogprob(ToyModel.Next(all, sequence.Number), -0.5f);
            sampled.Add(token, [.. Enumerable.Repeat(token, sequence.TopLogprobs)]);
        }

        return new StepResult(step.Epoch, step.Number, sampled);
    }

    /// <summary>The tokens of a sequence up to its last one in the step, as all stages have them; -1 where they do not agree.</summary>
    private int[] Read(Step step, StepSequence sequence)
    {
        int[] all = new int[sequence.FirstPosition + sequence.TokenCount];
        for (int position = 0; position < all.Length; position++)
        {
            int slot = Slot(step, sequence, position);
            int written = blocks[0][slot].Token;
            all[position] = Array.TrueForAll(blocks, kept => kept[slot] == (written, position)) ? written : -1;
        }

        return all;
    }

    private void ComputeStage(Step step, int stage)
    {
        foreach (BlockCopy copy in step.Copies)
        {
            Assert.NotEqual(copy.Source, copy.Target);
            Array.Copy(blocks[stage], copy.Source * 16, blocks[stage], copy.Target * 16, 16);
            Array.Copy(logs[stage], copy.Source * 16, logs[stage], copy.Target * 16, 16);
        }

        if (!step.IsComputedBy(stage)) return;
        foreach (StepSequence sequence in step.Sequences)
        {
            Assert.InRange(sequence.BlockCount * 16, sequence.FirstPosition + sequence.TokenCount, kvBlocks * 16);
            for (int i = 0; i < sequence.TokenCount; i++)
            {
                // What comes in is the token, or what the stage before puts out, now or out of its log.
                int position = sequence.FirstPosition + i;
                int slot = Slot(step, sequence, position);
                blocks[stage][slot] = stage == 0 ? (step.Tokens[sequence.TokenOffset + i], position) : logs[stage - 1][slot];
                logs[stage][slot] = blocks[stage][slot];
                Work[stage]++;
            }
        }
    }

    private static (int Token, int Position)[] Empty(int kvBlocks) => [.. Enumerable.Repeat(Nothing, kvBlocks * 16)];

    private static int Slot(Step step, StepSequence sequence, int position) =>
        (step.Blocks[sequence.BlockOffset + (position / 16)] * 16) + (position % 16);

    private static void AssertApart(Step step)
    {
        var writer = new Dictionary<int, int>();
        for (int i = 0; i < step.Sequences.Length; i++)
        {
            foreach (int block in Written(step, step.Sequences[i])) Assert.True(writer.TryAdd(block, i), $"block {block} has two writers");
        }

        for (int i = 0; i < step.Sequences.Length; i++)
        {
            StepSequence sequence = step.Sequences[i];
            foreach (int block in step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount))
                Assert.Equal(i, writer.GetValueOrDefault(block, i));
        }
    }

    private static int[] Written(Step step, StepSequence sequence)
    {
        int first = sequence.FirstPosition / 16;
        int end = (sequence.FirstPosition + sequence.TokenCount + 15) / 16;
        return step.Blocks.Slice(sequence.BlockOffset + first, end - first).ToArray();
    }
}
