using Llama.Model.Layers;

namespace Llama.Grains.Gateway;

/// <summary>The KV blocks of one pipeline: every stage has the same ones, and this is who hands them out.</summary>
internal sealed class BlockPool
{
    /// <summary>Positions in a block.</summary>
    public const int BlockTokens = Step.BlockTokens;

    private readonly Stack<int> free;

    /// <summary>All blocks free.</summary>
    public BlockPool(int blocks)
    {
        Count = blocks;
        free = new Stack<int>(Enumerable.Range(0, blocks).Reverse());
    }

    /// <summary>Blocks in all.</summary>
    public int Count { get; }

    /// <summary>Blocks that nobody holds.</summary>
    public int Free => free.Count;

    /// <summary>Blocks that a number of positions takes.</summary>
    public static int BlocksFor(int tokens) => (tokens + BlockTokens - 1) / BlockTokens;

    /// <summary>Takes blocks; all or none.</summary>
    public bool TryTake(int count, List<int> taken)
    {
        if (free.Count < count) return false;
        for (int i = 0; i < count; i++) taken.Add(free.Pop());
        return true;
    }

    /// <summary>Gives blocks back and empties the list.</summary>
    public void Return(List<int> blocks)
    {
        foreach (int block in blocks) free.Push(block);
        blocks.Clear();
    }
}
