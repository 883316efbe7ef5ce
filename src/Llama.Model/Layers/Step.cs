using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>One sequence's part of a step: consecutive positions, and whether a token is sampled after the last of them.</summary>
public readonly record struct StepSequence
{
    /// <summary>Position of its first token.</summary>
    public required int FirstPosition { get; init; }

    /// <summary>Where its tokens start in <see cref="Step.Tokens"/>.</summary>
    public required int TokenOffset { get; init; }

    /// <summary>How many tokens it has in this step.</summary>
    public required int TokenCount { get; init; }

    /// <summary>Where its block table starts in <see cref="Step.Blocks"/>.</summary>
    public required int BlockOffset { get; init; }

    /// <summary>How many blocks its table has.</summary>
    public required int BlockCount { get; init; }

    /// <summary>Whether a token is sampled from the logits of the last position.</summary>
    public required bool Samples { get; init; }

    /// <summary>How the token is sampled.</summary>
    public SamplingParameters Sampling { get; init; }

    /// <summary>The number in [0, 1) that samples it.</summary>
    public double Number { get; init; }

    /// <summary>How many of the most probable tokens to report.</summary>
    public int TopLogprobs { get; init; }
}

/// <summary>A KV block whose contents another block gets, in every layer, before the tokens of the step are computed.</summary>
/// <param name="Source">The block that is read; steps before this one have written it.</param>
/// <param name="Target">The block that is overwritten.</param>
public readonly record struct BlockCopy(int Source, int Target);

/// <summary>
/// One micro-batch on its way through a pipeline: tokens of one or more sequences with their block tables, and the blocks that are copied
/// before, in order. Its contents are flat and reusable: <see cref="Clear"/> keeps the memory.
/// </summary>
public sealed class Step
{
    /// <summary>
    /// Most tokens, and most block copies, that a step may carry. A range may take fewer tokens (<see cref="ILayerRange.MaxStepTokens"/>).
    /// </summary>
    public const int MaxTokens = 2048;

    /// <summary>The least shape: that of every token that is decoded.</summary>
    public const int LeastShape = 64;

    /// <summary>Most top logprobs that a sequence may ask for.</summary>
    public const int MaxTopLogprobs = 20;

    /// <summary>Positions in a block of KV: what block tables count in.</summary>
    public const int BlockTokens = 16;

    private readonly List<StepSequence> sequences = [];
    private readonly List<int> tokens = [];
    private readonly List<int> blocks = [];
    private readonly List<BlockCopy> copies = [];
    private readonly List<byte> parts = [];

    /// <summary>The plan that it belongs to.</summary>
    public ulong Epoch { get; set; }

    /// <summary>Its number within the epoch, from 1.</summary>
    public ulong Number { get; set; }

    /// <summary>
    /// First layer that computes it: 0 but for steps that rebuild the KV of layers which lost it. The range that ends before this layer
    /// puts out what it put out when it computed the same positions, from its log.
    /// </summary>
    public int FirstLayer { get; set; }

    /// <summary>The layer after the last that computes it: <see cref="int.MaxValue"/> but for steps that rebuild.</summary>
    public int EndLayer { get; set; } = int.MaxValue;

    /// <summary>The parts of the sequences.</summary>
    public ReadOnlySpan<StepSequence> Sequences => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(sequences);

    /// <summary>The tokens of all sequences, one after the other.</summary>
    public ReadOnlySpan<int> Tokens => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens);

    /// <summary>The block tables of all sequences, one after the other.</summary>
    public ReadOnlySpan<int> Blocks => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(blocks);

    /// <summary>The copies of blocks that come before the tokens, each seeing those before it.</summary>
    public ReadOnlySpan<BlockCopy> Copies => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(copies);

    /// <summary>Optional parts, encoded (<see cref="StepParts"/>); a stage sends them on as they came.</summary>
    public ReadOnlySpan<byte> Parts => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(parts);

    /// <summary>
    /// The shape that a part of a sequence has by itself: its tokens, padded to a power of two. A backend whose bits depend on how many rows it
    /// multiplies at once (<see cref="DeviceOffer.RepeatsShapes"/>) takes as many as the shape says, so bits depend on it and on nothing else in
    /// the step.
    /// </summary>
    /// <param name="tokens">Tokens of the part, 1 to <see cref="MaxTokens"/>.</param>
    public static int ShapeOf(int tokens) => Math.Max(LeastShape, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)tokens));

    /// <summary>Whether a layer computes it, or lets it pass; copies of blocks are made in every layer.</summary>
    public bool IsComputedBy(int layer) => layer >= FirstLayer && layer < EndLayer;

    /// <summary>Empties the step.</summary>
    public void Clear()
    {
        (FirstLayer, EndLayer) = (0, int.MaxValue);
        sequences.Clear();
        tokens.Clear();
        blocks.Clear();
        copies.Clear();
        parts.Clear();
    }

    /// <summary>Gives the sequence that was added last another shape than its own: one that its positions were computed in before.</summary>
    /// <param name="shape">The shape, one that <see cref="ShapeOf"/> gives.</param>
    public void AddShape(int shape) =>
        StepParts.Add(parts, StepParts.Shape, sequences.Count - 1, System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in shape)));

    /// <summary>Tells the shapes that the sequences are computed in.</summary>
    /// <param name="shapes">Receives one for each, <c>[sequences]</c>.</param>
    public void ReadShapes(Span<int> shapes)
    {
        for (int i = 0; i < sequences.Count; i++) shapes[i] = ShapeOf(sequences[i].TokenCount);
        ReadOnlySpan<byte> all = Parts;
        while (StepParts.TryRead(ref all, out StepPart part))
        {
            if (part.Tag.SequenceEqual(StepParts.Shape))
                shapes[part.Sequence] = System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(part.Contents);
        }
    }

    /// <summary>Adds optional parts.</summary>
    /// <param name="encoded">Whole parts, encoded.</param>
    public void AddParts(ReadOnlySpan<byte> encoded) => parts.AddRange(encoded);

    /// <summary>Penalises tokens for the sequence that was added last.</summary>
    /// <param name="penalties">The penalties.</param>
    /// <param name="prompt">Tokens of its prompt that count.</param>
    /// <param name="answer">Tokens of its answer that count.</param>
    public void AddPenalties(Penalties penalties, ReadOnlySpan<int> prompt, ReadOnlySpan<int> answer) =>
        StepParts.Add(parts, sequences.Count - 1, penalties, prompt, answer);

    /// <summary>Adds to logits of the sequence that was added last.</summary>
    /// <param name="biases">What is added.</param>
    public void AddBiases(ReadOnlySpan<TokenBias> biases) =>
        StepParts.Add(parts, StepParts.Biases, sequences.Count - 1, System.Runtime.InteropServices.MemoryMarshal.AsBytes(biases));

    /// <summary>Denies tokens to the sequence that was added last.</summary>
    /// <param name="tokens">The tokens.</param>
    public void AddDenied(ReadOnlySpan<int> tokens) =>
        StepParts.Add(parts, StepParts.Denied, sequences.Count - 1, System.Runtime.InteropServices.MemoryMarshal.AsBytes(tokens));

    /// <summary>Allows the sequence that was added last some tokens only.</summary>
    /// <param name="mask">The tokens, as <see cref="Grammars.TokenMask"/> writes them.</param>
    public void AddMask(ReadOnlySpan<byte> mask) => StepParts.Add(parts, StepParts.Mask, sequences.Count - 1, mask);

    /// <summary>Asks for the log-probabilities of tokens of the prompt of the sequence that was added last.</summary>
    /// <param name="first">The token before the first of them, counted from the sequence's first in the step.</param>
    /// <param name="tokens">The tokens, which follow each other.</param>
    /// <param name="topLogprobs">How many of the most probable tokens to tell with each.</param>
    public void AddPromptLogprobs(int first, ReadOnlySpan<int> tokens, int topLogprobs) =>
        StepParts.Add(parts, StepParts.PromptLogprobs, sequences.Count - 1, topLogprobs, first, tokens);

    /// <summary>Asks for the sum of hidden states of the sequence that was added last, after the last norm.</summary>
    /// <param name="first">The first token whose hidden state counts, counted from the sequence's first in the step.</param>
    /// <param name="count">How many tokens' count.</param>
    public void AddStateSum(int first, int count) => StepParts.Add(parts, StepParts.StateSum, sequences.Count - 1, first, count, []);

    /// <summary>Adds a copy of a block.</summary>
    /// <param name="source">The block that is read.</param>
    /// <param name="target">The block that is overwritten.</param>
    public void AddCopy(int source, int target) => copies.Add(new BlockCopy(source, target));

    /// <summary>Adds a sequence's part.</summary>
    /// <param name="firstPosition">Position of the first token.</param>
    /// <param name="newTokens">Its tokens in this step.</param>
    /// <param name="blockTable">The blocks of the whole sequence so far, this step's positions included.</param>
    public void AddSequence(int firstPosition, ReadOnlySpan<int> newTokens, ReadOnlySpan<int> blockTable)
    {
        sequences.Add(new StepSequence
        {
            FirstPosition = firstPosition,
            TokenOffset = tokens.Count,
            TokenCount = newTokens.Length,
            BlockOffset = blocks.Count,
            BlockCount = blockTable.Length,
            Samples = false,
        });
        tokens.AddRange(newTokens);
        blocks.AddRange(blockTable);
    }

    /// <summary>Adds a sequence's part after whose last token another is sampled.</summary>
    /// <param name="firstPosition">Position of the first token.</param>
    /// <param name="newTokens">Its tokens in this step.</param>
    /// <param name="blockTable">The blocks of the whole sequence so far, this step's positions included.</param>
    /// <param name="sampling">How the token is sampled.</param>
    /// <param name="number">The number in [0, 1) that samples it.</param>
    /// <param name="topLogprobs">How many of the most probable tokens to report.</param>
    public void AddSamplingSequence(
        int firstPosition, ReadOnlySpan<int> newTokens, ReadOnlySpan<int> blockTable,
        SamplingParameters sampling, double number, int topLogprobs)
    {
        AddSequence(firstPosition, newTokens, blockTable);
        sequences[^1] = sequences[^1] with { Samples = true, Sampling = sampling, Number = number, TopLogprobs = topLogprobs };
    }
}
