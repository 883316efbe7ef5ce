using System.Runtime.InteropServices;
using Llama.Grains.Placement;
using Llama.Model.Layers;

namespace Llama.Grains.Scheduling;

/// <summary>
/// What sequences held when their pipeline was lost, until it is good in every layer again. Their full blocks stay theirs: layers that were
/// not lost still have the contents. Steps that only the lost layers compute write them anew, in the order of the
/// sequences' rank; each block is known again from the step on that rebuilds it, and no earlier, and so what finds blocks in the prefix
/// cache finds only good ones. Sequences begin again when their own blocks are known. What nobody held is forgotten, and the beginning
/// of a last block, at most fifteen positions, is computed again in all layers.
/// </summary>
/// <param name="pool">The blocks.</param>
/// <param name="repeatsShapes">Whether bits depend on the shapes that tokens were computed in: then a step rebuilds in the shapes that are recorded, one for each sequence.</param>
internal sealed class BlockRebuild(BlockPool pool, bool repeatsShapes)
{
    private readonly SortedDictionary<Sequence, Chain> chains = new(Sequence.Rank);

    /// <summary>The blocks of the last step that rebuilds.</summary>
    private readonly HashSet<int> inLastStep = [];

    private LayerSpan layers;
    private ulong lastStep;
    private bool unfinished;

    /// <summary>
    /// Most blocks that go on under new numbers, which every stage is told; what is beyond them is computed again. They are those of
    /// a million positions.
    /// </summary>
    private const int MostCarried = 1 << 16;

    /// <summary>The layers that are not good in all blocks, because a loss came in the midst of a rebuild.</summary>
    public LayerSpan Unfinished => unfinished ? layers : default;

    /// <summary>Whether blocks wait to be rebuilt.</summary>
    public bool Pending => chains.Count > 0;

    /// <summary>Whether a sequence's own blocks wait to be rebuilt.</summary>
    public bool Holds(Sequence sequence) => chains.ContainsKey(sequence);

    /// <summary>The pipeline is lost: what was sent and has not come back does not count.</summary>
    /// <param name="completedStep">The last step that every stage has applied.</param>
    public void Suspend(ulong completedStep)
    {
        unfinished |= Pending || lastStep > completedStep;
        pool.Forget(completedStep);
    }

    /// <summary>Holds the full blocks of a sequence, as far as every stage has written them.</summary>
    /// <param name="sequence">One that runs; its own hold on its blocks may end now.</param>
    public void Hold(Sequence sequence)
    {
        var chain = new Chain();
        int parent = BlockKey.NoParent;
        foreach (int block in sequence.Blocks)
        {
            if (!pool.Follows(block, parent)) break;
            pool.Share(block);
            chain.Blocks.Add(block);
            parent = block;
        }

        if (chain.Blocks.Count > 0) chains.Add(sequence, chain);
    }

    /// <summary>
    /// Chooses which blocks go on in a pool of another size: those of as many sequences, highest rank first, as have room there with a
    /// block more for each. The hold on the blocks of the others ends.
    /// </summary>
    /// <returns>The blocks, in the order of their new numbers.</returns>
    public IReadOnlyList<int> Fit(int blocks)
    {
        var carried = new List<int>();
        HashSet<int> chosen = [];
        int room = Math.Min(blocks, MostCarried);
        foreach ((Sequence sequence, Chain chain) in chains.ToList())
        {
            int more = chain.Blocks.Count(block => !chosen.Contains(block)) + 1;
            if (more > room)
            {
                Drop(sequence);
                continue;
            }

            room -= more;
            carried.AddRange(chain.Blocks.Where(chosen.Add));
        }

        return carried;
    }

    /// <summary>The same sequences and blocks in another pool, under new numbers. This one holds nothing afterwards.</summary>
    /// <param name="other">The other pool, without contents.</param>
    /// <param name="carried">What <see cref="Fit"/> gave; sequences may have ended since.</param>
    public BlockRebuild Renumber(BlockPool other, IReadOnlyList<int> carried)
    {
        var numbers = new Dictionary<int, int>();
        foreach (int block in carried) numbers.Add(block, numbers.Count);
        var next = new BlockRebuild(other, repeatsShapes);
        foreach ((Sequence sequence, Chain chain) in chains)
        {
            var renumbered = new Chain();
            foreach (int block in chain.Blocks.Select(block => numbers[block]))
            {
                renumbered.Blocks.Add(block);
                other.Share(block);
                BlockKey key = Key(sequence, renumbered, renumbered.Rebuilt++);
                if (!other.TryFind(key, out _)) other.Restore(key, block, Shapes(sequence, renumbered.Rebuilt - 1));
            }

            next.chains.Add(sequence, renumbered);
        }

        chains.Clear();
        return next;
    }

    /// <summary>A pipeline goes on with the blocks.</summary>
    /// <param name="lost">
    /// The layers whose contents are lost, what was <see cref="Unfinished"/> among them; none when every stage kept its own.
    /// </param>
    public void Begin(LayerSpan lost)
    {
        (layers, unfinished) = (lost, false);
        if (lost.Count == 0)
        {
            foreach (Sequence sequence in (List<Sequence>)[.. chains.Keys.Reverse()]) Drop(sequence);
            return;
        }

        pool.ForgetAll();
        foreach (Chain chain in chains.Values) (chain.Rebuilt, chain.Written) = (0, 0);
    }

    /// <summary>Puts blocks into a step, as many as there is room for. Whatever is part of it is known from then on.</summary>
    /// <param name="batch">The step.</param>
    /// <param name="maxStepTokens">Most tokens that it may have.</param>
    /// <returns>Its tokens.</returns>
    public int Fill(Batch batch, int maxStepTokens)
    {
        while (chains.Count > 0)
        {
            (Sequence sequence, Chain chain) = chains.First();
            if (!SkipShared(sequence, chain, batch.Step.Number)) break;
            Add(batch, sequence, chain, maxStepTokens - batch.Step.Tokens.Length);
            if (chain.Rebuilt < chain.Blocks.Count) break;
            Drop(sequence);
        }

        return batch.Step.Tokens.Length;
    }

    /// <summary>Ends the hold on a sequence's blocks: it has ended, or they are good.</summary>
    public void Drop(Sequence sequence)
    {
        if (!chains.Remove(sequence, out Chain? chain)) return;
        for (int i = chain.Blocks.Count - 1; i >= 0; i--) pool.Release(chain.Blocks[i]);
    }

    /// <summary>Counts how often each block is held.</summary>
    public void CountReferences(Span<int> references)
    {
        foreach (Chain chain in chains.Values)
        {
            foreach (int block in chain.Blocks) references[block]++;
        }
    }

    /// <summary>
    /// Moves past what is known by now: blocks that another sequence had in common with this one, or that one which began meanwhile
    /// computed in its own.
    /// </summary>
    /// <returns>False when this very step rebuilds some: within a step there is no order.</returns>
    private bool SkipShared(Sequence sequence, Chain chain, ulong step)
    {
        while (chain.Rebuilt < chain.Blocks.Count && pool.TryFind(Key(sequence, chain, chain.Rebuilt), out int block))
        {
            if (lastStep == step && inLastStep.Contains(block)) return false;
            if (repeatsShapes && !sequence.Shapes.Agrees(chain.Rebuilt * BlockPool.BlockTokens, pool.Shapes(block)))
            {
                // Others have come by the same tokens in other shapes: what follows here is computed again, and not shared.
                for (int i = chain.Blocks.Count - 1; i >= chain.Rebuilt; i--) pool.Release(chain.Blocks[i]);
                chain.Blocks.RemoveRange(chain.Rebuilt, chain.Blocks.Count - chain.Rebuilt);
                return true;
            }

            pool.Share(block);
            pool.Release(chain.Blocks[chain.Rebuilt]);
            chain.Blocks[chain.Rebuilt++] = block;
        }

        return true;
    }

    private void Add(Batch batch, Sequence sequence, Chain chain, int room)
    {
        int first = Math.Max(chain.Written, chain.Rebuilt * BlockPool.BlockTokens);
        int most = Math.Min(chain.Blocks.Count * BlockPool.BlockTokens, repeatsShapes ? sequence.Shapes.EndOfRun(first) : int.MaxValue);
        int end = Math.Min(first + room, most);
        if (end < most) end -= end % BlockPool.BlockTokens;
        if (end <= first) return;
        if (lastStep != batch.Step.Number) inLastStep.Clear();
        lastStep = batch.Step.Number;
        batch.Step.AddSequence(
            first, CollectionsMarshal.AsSpan(sequence.Tokens)[first..end], CollectionsMarshal.AsSpan(chain.Blocks)[..BlockPool.BlocksFor(end)]);
        if (repeatsShapes && sequence.Shapes.At(first) != Step.ShapeOf(end - first)) batch.Step.AddShape(sequence.Shapes.At(first));
        (batch.Step.FirstLayer, batch.Step.EndLayer) = (layers.First, layers.End);
        chain.Written = end;
        for (; (chain.Rebuilt + 1) * BlockPool.BlockTokens <= end; chain.Rebuilt++)
        {
            pool.Restore(Key(sequence, chain, chain.Rebuilt), chain.Blocks[chain.Rebuilt], Shapes(sequence, chain.Rebuilt));
            inLastStep.Add(chain.Blocks[chain.Rebuilt]);
        }
    }

    private ReadOnlySpan<ushort> Shapes(Sequence sequence, int index) =>
        repeatsShapes ? sequence.Shapes.Of(index * BlockPool.BlockTokens, (index + 1) * BlockPool.BlockTokens) : default;

    private static BlockKey Key(Sequence sequence, Chain chain, int index) => new(
        index == 0 ? BlockKey.NoParent : chain.Blocks[index - 1],
        CollectionsMarshal.AsSpan(sequence.Tokens).Slice(index * BlockPool.BlockTokens, BlockPool.BlockTokens),
        index == 0 ? sequence.Request.CacheSalt : null);

    /// <summary>A sequence's blocks from its first position on.</summary>
    private sealed class Chain
    {
        public List<int> Blocks { get; } = [];

        /// <summary>How many of them are good.</summary>
        public int Rebuilt { get; set; }

        /// <summary>Positions that were written anew: where a shape ends within a block, some of the next one.</summary>
        public int Written { get; set; }
    }
}
