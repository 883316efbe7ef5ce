using Llama.Grains.Gateway;
using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Bench.Simulate;

/// <summary>
/// The KV blocks of a stage, and a model whose next token is a hash of all tokens so far. Blocks keep tokens and their positions as a stage
/// keeps keys and values, and what is drawn is read from the blocks that a step names. So a block that is shared, copied or given away
/// wrongly makes other tokens than the sequence gets alone.
/// </summary>
internal sealed class SimulatedMemory(int blocks)
{
    /// <summary>Few tokens, so that different prompts have many blocks in common.</summary>
    public const int VocabSize = 24;

    private const int BlockTokens = Step.BlockTokens;

    private readonly (int Token, int Position)[] slots = new (int, int)[blocks * BlockTokens];
    private readonly Dictionary<int, int> writers = [];

    /// <summary>Computes a step.</summary>
    /// <exception cref="InvalidDataException">It reads what is not there, or writes what another of its sequences uses.</exception>
    public StepResult Compute(Step step)
    {
        foreach (BlockCopy copy in step.Copies)
            slots.AsSpan(copy.Source * BlockTokens, BlockTokens).CopyTo(slots.AsSpan(copy.Target * BlockTokens));
        CheckApart(step);
        var drawn = new DrawnTokens();
        foreach (StepSequence sequence in step.Sequences)
        {
            ReadOnlySpan<int> table = step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount);
            int end = sequence.FirstPosition + sequence.TokenCount;
            for (int position = sequence.FirstPosition; position < end; position++)
                slots[Slot(table, position)] = (step.Tokens[sequence.TokenOffset + position - sequence.FirstPosition], position);
            ulong hash = 0;
            for (int position = 0; position < end; position++)
            {
                (int token, int written) = slots[Slot(table, position)];
                if (written != position)
                    throw new InvalidDataException($"Step {step.Number} reads position {position}, where position {written} was written.");
                hash = Add(hash, token);
            }

            if (sequence.Draws) drawn.Add(new Candidate(Draw(hash, sequence.Number), 0), []);
        }

        return new StepResult(step.Epoch, step.Number, drawn);
    }

    /// <summary>The tokens that a request gets when it is alone.</summary>
    public static List<int> Alone(GenerationRequest request, IReadOnlyCollection<int> endTokens)
    {
        ulong hash = 0;
        foreach (int token in request.PromptTokens) hash = Add(hash, token);
        var generated = new List<int>();
        while (generated.Count < request.MaxTokens)
        {
            int token = Draw(hash, UniformNumber.At(request.Seed, request.PromptTokens.Count + generated.Count));
            generated.Add(token);
            if (!request.IgnoreEndTokens && endTokens.Contains(token)) break;
            hash = Add(hash, token);
        }

        return generated;
    }

    private static int Slot(ReadOnlySpan<int> table, int position) =>
        (table[position / BlockTokens] * BlockTokens) + (position % BlockTokens);

    private static ulong Add(ulong hash, int token) => (hash ^ (uint)(token + 1)) * 0x9E3779B97F4A7C15 ^ (hash >> 29);

    private static int Draw(ulong hash, double number) =>
        (int)((Add(hash, 0) ^ BitConverter.DoubleToUInt64Bits(number)) * 0xD6E8FEB86659FD93 % VocabSize);

    /// <summary>Within a step there is no order: nobody may use a block that another writes.</summary>
    private void CheckApart(Step step)
    {
        writers.Clear();
        for (int i = 0; i < step.Sequences.Length; i++)
        {
            StepSequence sequence = step.Sequences[i];
            int first = sequence.FirstPosition / BlockTokens;
            int last = (sequence.FirstPosition + sequence.TokenCount - 1) / BlockTokens;
            for (int index = first; index <= last; index++)
            {
                if (!writers.TryAdd(step.Blocks[sequence.BlockOffset + index], i))
                    throw new InvalidDataException($"Two sequences of step {step.Number} write the same block.");
            }
        }

        for (int i = 0; i < step.Sequences.Length; i++)
        {
            StepSequence sequence = step.Sequences[i];
            foreach (int block in step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount))
            {
                if (writers.GetValueOrDefault(block, i) != i)
                    throw new InvalidDataException($"A sequence of step {step.Number} reads what another one writes.");
            }
        }
    }
}
