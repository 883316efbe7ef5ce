using Llama.Grains.Links;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>
/// Computes steps of the toy model. It keeps tokens in blocks, as a stage keeps keys and values, and draws from what the block table says:
/// a wrong table, position or copy, or a block given away too early, changes the tokens. Within a step sequences have no order, so none
/// may read or write what another one writes.
/// </summary>
internal sealed class ToyMemory(int kvBlocks)
{
    private const int Nothing = -1;

    private readonly int[] tokens = [.. Enumerable.Repeat(Nothing, kvBlocks * 16)];
    private readonly int[] positions = [.. Enumerable.Repeat(Nothing, kvBlocks * 16)];

    /// <summary>Tokens that were computed.</summary>
    public int Computed { get; private set; }

    public StepResult Compute(Step step)
    {
        foreach (BlockCopy copy in step.Copies)
        {
            Assert.NotEqual(copy.Source, copy.Target);
            Array.Copy(tokens, copy.Source * 16, tokens, copy.Target * 16, 16);
            Array.Copy(positions, copy.Source * 16, positions, copy.Target * 16, 16);
        }

        AssertApart(step);
        var drawn = new DrawnTokens();
        foreach (StepSequence sequence in step.Sequences)
        {
            ReadOnlySpan<int> blocks = step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount);
            int end = sequence.FirstPosition + sequence.TokenCount;
            Assert.InRange(blocks.Length * 16, end, kvBlocks * 16);
            for (int position = sequence.FirstPosition; position < end; position++)
            {
                int slot = (blocks[position / 16] * 16) + (position % 16);
                tokens[slot] = step.Tokens[sequence.TokenOffset + position - sequence.FirstPosition];
                positions[slot] = position;
                Computed++;
            }

            if (!sequence.Draws) continue;
            int[] all = new int[end];
            for (int position = 0; position < end; position++)
            {
                int slot = (blocks[position / 16] * 16) + (position % 16);
                all[position] = positions[slot] == position ? tokens[slot] : Nothing;
            }

            var token = new Candidate(ToyModel.Next(all, sequence.Number), -0.5f);
            drawn.Add(token, [.. Enumerable.Repeat(token, sequence.Candidates)]);
        }

        return new StepResult(step.Epoch, step.Number, drawn);
    }

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
