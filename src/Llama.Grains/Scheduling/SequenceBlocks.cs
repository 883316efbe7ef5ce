using System.Runtime.InteropServices;
using Llama.Model.Layers;

namespace Llama.Grains.Scheduling;

/// <summary>
/// Which blocks a sequence has, and which of them it shares. Steps run in order in every stage; so what a step writes may be shared as
/// soon as that step has been sent, and a block that is given back may be overwritten by any later step, though earlier ones that use
/// it have not come back. Within one step there is no order: nothing is shared, and nothing given back is taken, before it is complete.
/// </summary>
/// <param name="pool">The blocks.</param>
/// <param name="repeatsShapes">
/// Whether bits depend on the shapes that tokens were computed in: then a sequence shares a block only if it has not computed these positions before, or
/// has in the same shapes, and goes on with the block's.
/// </param>
internal sealed class SequenceBlocks(BlockPool pool, bool repeatsShapes)
{
    private readonly List<int> hits = [];
    private readonly List<int> doubles = [];

    /// <summary>The number of leading tokens that would not have to be computed.</summary>
    /// <param name="tokens">A prompt.</param>
    /// <param name="salt">What it is cached under; null for what all share.</param>
    public int Cached(ReadOnlySpan<int> tokens, string? salt)
    {
        Find(tokens, salt, int.MaxValue, null);
        return hits.Count * BlockPool.BlockTokens;
    }

    /// <summary>Gives a sequence the blocks of all its tokens, cached ones first; all or none.</summary>
    /// <param name="sequence">One without blocks.</param>
    /// <param name="reserve">Blocks that must be free afterwards.</param>
    public bool TryAdmit(Sequence sequence, int reserve)
    {
        int total = BlockPool.BlocksFor(sequence.Tokens.Count);
        Find(CollectionsMarshal.AsSpan(sequence.Tokens), sequence.Request.CacheSalt, sequence.Skippable, sequence.Shapes);
        if (pool.Free - hits.Count(pool.IsFree) < total - hits.Count + reserve) return false;
        foreach (int block in hits)
        {
            pool.Share(block);
            if (repeatsShapes) sequence.Shapes.Take(sequence.Blocks.Count * BlockPool.BlockTokens, pool.Shapes(block));
            sequence.Blocks.Add(block);
        }

        sequence.Skip(hits.Count * BlockPool.BlockTokens);
        while (sequence.Blocks.Count < total) sequence.Blocks.Add(pool.Take());
        return true;
    }

    /// <summary>Gives a sequence the block of its next position, if it has not got it.</summary>
    /// <returns>False when none is free.</returns>
    public bool TryGrow(Sequence sequence)
    {
        if (sequence.Scheduled < sequence.Blocks.Count * BlockPool.BlockTokens) return true;
        if (pool.Free == 0) return false;
        sequence.Blocks.Add(pool.Take());
        return true;
    }

    /// <summary>
    /// Moves a sequence past what others have computed by now. Of a last block, which holds the token that must be computed because
    /// another is sampled from it, a copy is made.
    /// </summary>
    /// <returns>False when a sequence of this very step computes what comes next: with the next step it will be there.</returns>
    public bool TrySkip(Sequence sequence, Step step)
    {
        while (sequence.Scheduled % BlockPool.BlockTokens == 0)
        {
            (int index, int start) = (sequence.Scheduled / BlockPool.BlockTokens, sequence.Scheduled);
            int end = Math.Min(start + BlockPool.BlockTokens, sequence.Tokens.Count);
            if (Math.Min(end, sequence.Tokens.Count - 1) > sequence.Skippable) return true;
            if (!pool.TryFind(Key(sequence, index, end), out int found)) return true;
            Span<ushort> shapes = pool.Shapes(found)[..(end - start)];
            if (!Agrees(sequence.Shapes, start, shapes)) return true;
            if (pool.WrittenBy(found) == step.Number) return false;
            if (end == sequence.Tokens.Count)
            {
                if (end - start == 1) return true;
                step.AddCopy(found, sequence.Blocks[index]);
                if (repeatsShapes) sequence.Shapes.Take(start, shapes[..^1]);
                sequence.Skip(end - start - 1);
                return true;
            }

            pool.Share(found);
            pool.Release(sequence.Blocks[index]);
            sequence.Blocks[index] = found;
            if (repeatsShapes) sequence.Shapes.Take(start, shapes);
            sequence.Skip(BlockPool.BlockTokens);
        }

        return true;
    }

    /// <summary>
    /// Makes known what a step writes: every block that it fills, and the partly filled one at the end of a prompt. A sequence whose
    /// block is a double of a known one goes on with that one; where that one was computed in other shapes it keeps its own, which stays unknown, and so
    /// do those behind it.
    /// </summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="first">First position in the step.</param>
    /// <param name="end">The position after the last.</param>
    /// <param name="endsPrompt">Whether a token is sampled for the first time since the sequence began or began again.</param>
    /// <param name="step">The step's number.</param>
    public void Register(Sequence sequence, int first, int end, bool endsPrompt, ulong step)
    {
        for (int index = first / BlockPool.BlockTokens; (index + 1) * BlockPool.BlockTokens <= end; index++)
        {
            if (!FollowsKnown(sequence, index)) return;
            (int own, int start, int next) = (sequence.Blocks[index], index * BlockPool.BlockTokens, (index + 1) * BlockPool.BlockTokens);
            BlockKey key = Key(sequence, index, next);
            if (pool.TryFind(key, out int other) && other != own && !Agrees(sequence.Shapes, start, pool.Shapes(other))) return;
            int known = pool.Register(key, own, step);
            if (known == own)
            {
                if (repeatsShapes) sequence.Shapes.Of(start, next).CopyTo(pool.Shapes(own));
                continue;
            }

            pool.Share(known);
            sequence.Blocks[index] = known;
            doubles.Add(own);
        }

        (int last, int rest) = Math.DivRem(end, BlockPool.BlockTokens);
        if (!endsPrompt || rest == 0 || !FollowsKnown(sequence, last)) return;
        if (pool.Register(Key(sequence, last, end), sequence.Blocks[^1], step) == sequence.Blocks[^1] && repeatsShapes)
            sequence.Shapes.Of(end - rest, end).CopyTo(pool.Shapes(sequence.Blocks[^1]));
    }

    /// <summary>Gives back what was found to be double in a step that is complete now.</summary>
    public void ReleaseDoubles()
    {
        foreach (int block in doubles) pool.Release(block);
        doubles.Clear();
    }

    /// <summary>Takes a sequence's blocks away; what is known of them stays known until they are taken.</summary>
    public void Release(Sequence sequence)
    {
        for (int i = sequence.Blocks.Count - 1; i >= 0; i--) pool.Release(sequence.Blocks[i]);
        sequence.StartOver();
    }

    private bool Agrees(ShapeRecord record, int first, ReadOnlySpan<ushort> block) => !repeatsShapes || record.Agrees(first, block);

    private bool FollowsKnown(Sequence sequence, int index) => index == 0 || pool.IsFull(sequence.Blocks[index - 1]);

    private static BlockKey Key(Sequence sequence, int index, int end) => new(
        index == 0 ? BlockKey.NoParent : sequence.Blocks[index - 1],
        CollectionsMarshal.AsSpan(sequence.Tokens)[(index * BlockPool.BlockTokens)..end],
        index == 0 ? sequence.Request.CacheSalt : null);

    /// <summary>Finds the full blocks of a prompt within its first positions, but for the one with its last token.</summary>
    private void Find(ReadOnlySpan<int> tokens, string? salt, int most, ShapeRecord? shapes)
    {
        hits.Clear();
        int parent = BlockKey.NoParent;
        for (int end = BlockPool.BlockTokens; end < tokens.Length && end <= most; end += BlockPool.BlockTokens)
        {
            var key = new BlockKey(parent, tokens[(end - BlockPool.BlockTokens)..end], parent == BlockKey.NoParent ? salt : null);
            if (!pool.TryFind(key, out parent)) return;
            if (shapes is not null && !Agrees(shapes, end - BlockPool.BlockTokens, pool.Shapes(parent))) return;
            hits.Add(parent);
        }
    }
}
