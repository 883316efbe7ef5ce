using Llama.Grains.Generation;
using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Bench.Simulate;

/// <summary>
/// The KV blocks of a pipeline's stages, of one layer each, and a model whose next token is a hash of all tokens so far. Blocks keep
/// tokens and their positions as a stage keeps keys and values, and a log of what it put out; what is sampled is read from the blocks that a step
/// names, of one stage after the other. So a block that is shared, copied, rebuilt or given away wrongly makes other tokens than the
/// sequence gets alone. Where bits depend on shapes, a slot also has a hash of all that its keys and values would: the tokens up to it, each with the shape in
/// which it was computed. The log-probability of a sampled token tells it.
/// </summary>
internal sealed class SimulatedMemory(int blocks, int stages, bool repeatsShapes)
{
    /// <summary>Few tokens, so that different prompts have many blocks in common.</summary>
    public const int VocabSize = 24;

    private const int BlockTokens = Step.BlockTokens;

    private static readonly (int Token, int Position, ulong Content) Nothing = (-1, -1, 0);

    private readonly (int Token, int Position, ulong Content)[][] kept = Empty(blocks, stages);
    private readonly (int Token, int Position, ulong Content)[][] logs = Empty(blocks, stages);
    private readonly Dictionary<int, int> writers = [];
    private readonly int[] shapes = new int[Step.MaxTokens];

    /// <summary>A stage is replaced by another, which has nothing.</summary>
    public void Lose(int stage)
    {
        Array.Fill(kept[stage], Nothing);
        Array.Fill(logs[stage], Nothing);
    }

    /// <summary>The pools get another number of blocks, and those that go on other numbers.</summary>
    public void Renumber(int count, IReadOnlyList<int> carried)
    {
        foreach ((int Token, int Position, ulong Content)[][] pools in new[] { kept, logs })
        {
            for (int stage = 0; stage < stages; stage++)
            {
                (int Token, int Position, ulong Content)[] next = Empty(count, 1)[0];
                for (int block = 0; block < carried.Count; block++)
                    pools[stage].AsSpan(carried[block] * BlockTokens, BlockTokens).CopyTo(next.AsSpan(block * BlockTokens));
                pools[stage] = next;
            }
        }
    }

    /// <summary>Computes a step, or as much of it as was done when the pipeline was lost.</summary>
    /// <param name="step">The step.</param>
    /// <param name="reached">Stages that compute it; without the last of them there is no result.</param>
    /// <exception cref="InvalidDataException">It reads what is not there, or writes what another of its sequences uses.</exception>
    public StepResult Compute(Step step, int reached = int.MaxValue)
    {
        CheckApart(step);
        step.ReadShapes(shapes);
        for (int stage = 0; stage < Math.Min(stages, reached); stage++) Compute(step, kept[stage], logs[stage], stage);
        var sampled = new SampledTokens();
        if (reached < stages) return new StepResult(step.Epoch, step.Number, sampled);
        (int Token, int Position, ulong Content)[] slots = kept[(int)(step.Number % (uint)stages)];
        foreach (StepSequence sequence in step.Sequences)
        {
            if (step.EndLayer < stages) break;
            ReadOnlySpan<int> table = step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount);
            int end = sequence.FirstPosition + sequence.TokenCount;
            ulong hash = 0;
            for (int position = 0; position < end; position++)
            {
                (int token, int written, _) = slots[Slot(table, position)];
                if (written != position)
                    throw new InvalidDataException($"Step {step.Number} reads position {position}, where position {written} was written.");
                hash = Add(hash, token);
            }

            if (!sequence.Samples) continue;
            int last = Slot(table, end - 1);
            ulong content = slots[last].Content;
            if (Array.Exists(kept, stage => stage[last].Content != content))
                throw new InvalidDataException($"Step {step.Number} computes position {end - 1} from what was computed in other shapes in one stage than in another.");
            sampled.Add(new TokenLogprob(Sample(hash, sequence.Number), Tell(content)), []);
        }

        return new StepResult(step.Epoch, step.Number, sampled);
    }

    private void Compute(Step step, (int Token, int Position, ulong Content)[] slots, (int Token, int Position, ulong Content)[] log, int stage)
    {
        foreach (BlockCopy copy in step.Copies)
        {
            slots.AsSpan(copy.Source * BlockTokens, BlockTokens).CopyTo(slots.AsSpan(copy.Target * BlockTokens));
            log.AsSpan(copy.Source * BlockTokens, BlockTokens).CopyTo(log.AsSpan(copy.Target * BlockTokens));
        }

        if (!step.IsComputedBy(stage)) return;
        for (int part = 0; part < step.Sequences.Length; part++)
        {
            StepSequence sequence = step.Sequences[part];
            ReadOnlySpan<int> table = step.Blocks.Slice(sequence.BlockOffset, sequence.BlockCount);
            for (int i = 0; i < sequence.TokenCount; i++)
            {
                // What comes in is the token, or what the stage before puts out, now or out of its log.
                int position = sequence.FirstPosition + i;
                int slot = Slot(table, position);
                (int token, int at, _) = stage == 0 ? (step.Tokens[sequence.TokenOffset + i], position, 0) : logs[stage - 1][slot];
                ulong before = position == 0 ? 0 : slots[Slot(table, position - 1)].Content;
                slots[slot] = (token, at, Compute(before, token, repeatsShapes ? shapes[part] : 0));
                log[slot] = slots[slot];
            }
        }
    }

    /// <summary>The hash that a slot gets.</summary>
    /// <param name="before">That of the position before; 0 for the first.</param>
    /// <param name="token">The token.</param>
    /// <param name="shape">What it is computed in.</param>
    public static ulong Compute(ulong before, int token, int shape) => Add(Add(before, token), shape);

    /// <summary>A hash as a log-probability: of less bits, and a finite number.</summary>
    public static float Tell(ulong content) => content >> 40;

    /// <summary>The tokens that a request gets when it is alone.</summary>
    public static List<int> Alone(GenerationRequest request, IReadOnlyCollection<int> endTokens)
    {
        ulong hash = 0;
        foreach (int token in request.PromptTokens) hash = Add(hash, token);
        var generated = new List<int>();
        while (generated.Count < request.MaxTokens)
        {
            int token = Sample(hash, UniformNumber.At(request.Seed, request.PromptTokens.Count + generated.Count));
            generated.Add(token);
            if (!request.IgnoreEndTokens && endTokens.Contains(token)) break;
            hash = Add(hash, token);
        }

        return generated;
    }

    private static (int Token, int Position, ulong Content)[][] Empty(int blocks, int stages)
    {
        var all = new (int Token, int Position, ulong Content)[stages][];
        for (int stage = 0; stage < stages; stage++)
        {
            all[stage] = new (int, int, ulong)[blocks * BlockTokens];
            Array.Fill(all[stage], Nothing);
        }

        return all;
    }

    private static int Slot(ReadOnlySpan<int> table, int position) =>
        (table[position / BlockTokens] * BlockTokens) + (position % BlockTokens);

    private static ulong Add(ulong hash, int token) => (hash ^ (uint)(token + 1)) * 0x9E3779B97F4A7C15 ^ (hash >> 29);

    private static int Sample(ulong hash, double number) =>
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
