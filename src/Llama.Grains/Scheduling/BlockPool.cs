using Llama.Model.Layers;

namespace Llama.Grains.Scheduling;

/// <summary>
/// The KV blocks of one pipeline: every stage has the same ones, and this is who hands them out. A block belongs to as many sequences as
/// its references say. One that nobody refers to is free, and keeps its contents, and the key under which they are known, until it is
/// taken: first those that hold nothing of use, then the least recently used.
/// <para>
/// Sequences give their blocks back last one first, so a block is never taken before the ones that follow it in a chain: a key may name
/// its parent by number.
/// </para>
/// </summary>
internal sealed class BlockPool
{
    /// <summary>Positions in a block.</summary>
    public const int BlockTokens = Step.BlockTokens;

    private readonly int[] references;

    /// <summary>The key of all sixteen tokens, and that of the last tokens of a prompt that ended in the block.</summary>
    private readonly (BlockKey Full, BlockKey Tail)[] keys;

    private readonly ulong[] writtenBy;

    /// <summary>The shapes that the tokens of known blocks were computed in, <c>[blocks, 16]</c>; zeros where bits do not depend on them.</summary>
    private readonly ushort[] shapes;
    private readonly Dictionary<BlockKey, int> known = [];

    /// <summary>The free blocks as a ring, next to be taken first; the last index is its anchor.</summary>
    private readonly (int Before, int After)[] free;

    /// <summary>All blocks free and empty.</summary>
    public BlockPool(int blocks)
    {
        Count = blocks;
        references = new int[blocks];
        keys = new (BlockKey, BlockKey)[blocks];
        writtenBy = new ulong[blocks];
        shapes = new ushort[blocks * BlockTokens];
        free = new (int, int)[blocks + 1];
        free[blocks] = (blocks, blocks);
        for (int block = 0; block < blocks; block++) Link(block, free[blocks].Before);
    }

    /// <summary>Blocks in all.</summary>
    public int Count { get; }

    /// <summary>Blocks that nobody refers to.</summary>
    public int Free { get; private set; }

    /// <summary>Those of them whose contents are still known.</summary>
    public int Cached { get; private set; }

    private int Anchor => Count;

    /// <summary>Blocks that a number of positions takes.</summary>
    public static int BlocksFor(int tokens) => (tokens + BlockTokens - 1) / BlockTokens;

    /// <summary>Takes a free block, whose contents are forgotten.</summary>
    /// <exception cref="InvalidOperationException">No block is free.</exception>
    public int Take()
    {
        if (Free == 0) throw new InvalidOperationException($"None of {Count} KV blocks is free.");
        int block = free[Anchor].After;
        Share(block);
        if (keys[block].Full.Count > 0) known.Remove(keys[block].Full);
        if (keys[block].Tail.Count > 0) known.Remove(keys[block].Tail);
        keys[block] = default;
        return block;
    }

    /// <summary>Adds a reference.</summary>
    public void Share(int block)
    {
        if (references[block]++ == 0) Unlink(block);
    }

    /// <summary>Takes a reference away.</summary>
    public void Release(int block)
    {
        if (--references[block] > 0) return;
        Link(block, IsKnown(block) ? free[Anchor].Before : Anchor);
    }

    /// <summary>Whether nobody refers to a block.</summary>
    public bool IsFree(int block) => references[block] == 0;

    /// <summary>The block with these contents.</summary>
    public bool TryFind(in BlockKey key, out int block) => known.TryGetValue(key, out block);

    /// <summary>The step that last wrote something that is known of a block.</summary>
    public ulong WrittenBy(int block) => writtenBy[block];

    /// <summary>Makes a block's contents known, unless another block has the same.</summary>
    /// <param name="key">The contents.</param>
    /// <param name="block">The block.</param>
    /// <param name="step">The step that completes them.</param>
    /// <returns>The block that is known for these contents.</returns>
    public int Register(in BlockKey key, int block, ulong step)
    {
        if (!known.TryAdd(key, block)) return known[key];
        writtenBy[block] = step;
        if (key.Count == BlockTokens) keys[block].Full = key;
        else keys[block].Tail = key;
        return block;
    }

    /// <summary>The shapes that a known block's tokens were computed in, <c>[16]</c>: those of the tokens that its key has.</summary>
    public Span<ushort> Shapes(int block) => shapes.AsSpan(block * BlockTokens, BlockTokens);

    /// <summary>Whether a block's sixteen tokens are known.</summary>
    public bool IsFull(int block) => keys[block].Full.Count == BlockTokens;

    /// <summary>Whether a block is full and known to follow another.</summary>
    public bool Follows(int block, int parent) => IsFull(block) && keys[block].Full.Parent == parent;

    /// <summary>
    /// Forgets the contents that later steps wrote, as if they had not been sent, and those of blocks that are not full. What followed them
    /// was written later still.
    /// </summary>
    public void Forget(ulong lastStep)
    {
        for (int block = 0; block < Count; block++)
        {
            if (keys[block].Tail.Count > 0) known.Remove(keys[block].Tail);
            keys[block].Tail = default;
            if (keys[block].Full.Count == 0 || writtenBy[block] <= lastStep) continue;
            known.Remove(keys[block].Full);
            keys[block].Full = default;
        }

        Cached = CountCached();
    }

    /// <summary>Forgets all contents.</summary>
    public void ForgetAll()
    {
        known.Clear();
        Array.Clear(keys);
        Cached = 0;
    }

    /// <summary>Makes a block's contents known again.</summary>
    /// <param name="key">The contents.</param>
    /// <param name="block">The block.</param>
    /// <param name="computedIn">The shapes that they were computed in; none where bits do not depend on them.</param>
    public void Restore(in BlockKey key, int block, ReadOnlySpan<ushort> computedIn)
    {
        computedIn.CopyTo(Shapes(block));
        known.Add(key, block);
        if (IsFree(block) && !IsKnown(block)) Cached++;
        keys[block].Full = key;
    }

    /// <summary>Looks for contradictions.</summary>
    /// <param name="expected">How often sequences refer to each block.</param>
    /// <returns>What is wrong, or null.</returns>
    public string? FindFault(ReadOnlySpan<int> expected)
    {
        for (int block = 0; block < Count; block++)
        {
            if (references[block] != expected[block])
                return $"Block {block} has {references[block]} references; sequences refer to it {expected[block]} times.";
        }

        var place = new Dictionary<int, int>();
        for (int block = free[Anchor].After; block != Anchor; block = free[block].After)
        {
            if (references[block] != 0) return $"Block {block} is free and has {references[block]} references.";
            if (!place.TryAdd(block, place.Count)) return $"Block {block} is free twice.";
        }

        if (place.Count != Free || Free + references.Count(count => count > 0) != Count)
            return $"{place.Count} blocks are in the ring, {Free} are said to be free, of {Count}.";
        if (CountCached() != Cached) return $"{CountCached()} free blocks are known; {Cached} are said to be.";
        return known.Select(pair => FindFault(pair.Key, pair.Value, place)).FirstOrDefault(fault => fault is not null);
    }

    private bool IsKnown(int block) => keys[block].Full.Count + keys[block].Tail.Count > 0;

    private int CountCached()
    {
        int count = 0;
        for (int block = 0; block < Count; block++)
        {
            if (IsFree(block) && IsKnown(block)) count++;
        }

        return count;
    }

    private string? FindFault(in BlockKey key, int block, Dictionary<int, int> place)
    {
        if (!key.Equals(key.Count == BlockTokens ? keys[block].Full : keys[block].Tail))
            return $"Block {block} is known by a key that it does not have.";
        if (key.Parent == BlockKey.NoParent) return null;
        if (keys[key.Parent].Full.Count == 0) return $"Block {block} follows block {key.Parent}, which is not known.";
        int own = place.GetValueOrDefault(block, -1);
        return place.TryGetValue(key.Parent, out int parent) && parent < own
            ? $"Block {key.Parent} would be taken before block {block}, which follows it."
            : place.ContainsKey(key.Parent) && own < 0 ? $"Block {block} is in use and block {key.Parent} before it is not." : null;
    }

    private void Link(int block, int before)
    {
        int after = free[before].After;
        free[block] = (before, after);
        free[before].After = block;
        free[after].Before = block;
        Free++;
        if (IsKnown(block)) Cached++;
    }

    private void Unlink(int block)
    {
        (int before, int after) = free[block];
        free[before].After = after;
        free[after].Before = before;
        Free--;
        if (IsKnown(block)) Cached--;
    }
}
