using Llama.Grains.Scheduling;

namespace Llama.Grains.Tests.Scheduling;

public sealed class BlockPoolTests
{
    private static readonly int[] Sixteen = [.. Enumerable.Range(100, 16)];

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(16, 1)]
    [InlineData(17, 2)]
    [InlineData(131072, 8192)]
    public void BlocksFor_Positions_RoundsUp(int tokens, int blocks) => Assert.Equal(blocks, BlockPool.BlocksFor(tokens));

    [Fact]
    public void Take_AllBlocks_AreDifferentAndThenNoneIsLeft()
    {
        var pool = new BlockPool(5);
        Assert.Equal([0, 1, 2, 3, 4], Enumerable.Range(0, 5).Select(_ => pool.Take()).Order());
        Assert.Equal((5, 0), (pool.Count, pool.Free));
        Assert.Throws<InvalidOperationException>(() => pool.Take());
    }

    [Fact]
    public void Register_SameContentsAgain_GivesTheFirstBlock()
    {
        var pool = new BlockPool(4);
        (int first, int second) = (pool.Take(), pool.Take());
        var key = new BlockKey(BlockKey.NoParent, Sixteen);
        Assert.Equal(first, pool.Register(key, first, 7));
        Assert.Equal(first, pool.Register(new BlockKey(BlockKey.NoParent, Sixteen), second, 8));
        Assert.Equal(7ul, pool.WrittenBy(first));
        Assert.True(pool.TryFind(key, out int found));
        Assert.Equal(first, found);
    }

    public static TheoryData<string, int, int[]> OtherContents => new()
    {
        { "another token at the end", BlockKey.NoParent, [.. Sixteen[..15], 0] },
        { "another token at the start", BlockKey.NoParent, [0, .. Sixteen[1..]] },
        { "another block before", 3, Sixteen },
        { "fewer tokens", BlockKey.NoParent, Sixteen[..15] },
        { "zeros for the rest", BlockKey.NoParent, [.. Sixteen[..15], 0] },
    };

    [Theory]
    [MemberData(nameof(OtherContents), DisableDiscoveryEnumeration = true)]
    public void TryFind_OtherContents_FindsNothing(string what, int parent, int[] tokens)
    {
        var pool = new BlockPool(4);
        pool.Register(new BlockKey(BlockKey.NoParent, Sixteen), pool.Take(), 1);
        Assert.False(pool.TryFind(new BlockKey(parent, tokens), out _), what);
    }

    [Fact]
    public void TryFind_FewerTokensThanZerosAdded_AreDifferentKeys()
    {
        Assert.NotEqual(new BlockKey(1, [5, 0]), new BlockKey(1, [5]));
        Assert.NotEqual(new BlockKey(1, [5]), default);
    }

    [Fact]
    public void Take_FreeBlocks_UnknownOnesFirstThenTheLeastRecentlyUsed()
    {
        var pool = new BlockPool(4);
        int[] blocks = [.. Enumerable.Range(0, 4).Select(_ => pool.Take())];
        for (int i = 0; i < 3; i++) pool.Register(new BlockKey(BlockKey.NoParent, [i]), blocks[i], 1);
        foreach (int i in (int[])[1, 0, 3, 2]) pool.Release(blocks[i]);

        // Block 1 is used again, and so is the most recently used.
        Assert.True(pool.TryFind(new BlockKey(BlockKey.NoParent, [1]), out int again));
        pool.Share(again);
        pool.Release(again);
        Assert.Equal(4, pool.Free);
        Assert.Equal([blocks[3], blocks[0], blocks[2], blocks[1]], Enumerable.Range(0, 4).Select(_ => pool.Take()));
        for (int i = 0; i < 3; i++) Assert.False(pool.TryFind(new BlockKey(BlockKey.NoParent, [i]), out _));
    }

    [Fact]
    public void Release_SharedBlock_IsFreeWhenTheLastOneLetsGo()
    {
        var pool = new BlockPool(2);
        int block = pool.Take();
        pool.Share(block);
        pool.Release(block);
        Assert.False(pool.IsFree(block));
        pool.Release(block);
        Assert.True(pool.IsFree(block));
        Assert.Equal(2, pool.Free);
    }

    [Fact]
    public void FindFault_SoundPool_IsNullAndWrongReferencesAreNamed()
    {
        var pool = new BlockPool(3);
        int block = pool.Take();
        int[] references = new int[3];
        Assert.Contains($"Block {block} has 1 references", pool.FindFault(references), StringComparison.Ordinal);
        references[block] = 1;
        Assert.Null(pool.FindFault(references));
    }

    [Fact]
    public void FindFault_BlockThatWouldBeTakenBeforeItsFollower_IsNamed()
    {
        var pool = new BlockPool(3);
        (int parent, int child) = (pool.Take(), pool.Take());
        pool.Register(new BlockKey(BlockKey.NoParent, Sixteen), parent, 1);
        pool.Register(new BlockKey(parent, [1]), child, 1);
        pool.Release(parent);
        Assert.Contains("before it is not", pool.FindFault([.. Enumerable.Range(0, 3).Select(b => b == child ? 1 : 0)]), StringComparison.Ordinal);
        pool.Release(child);
        Assert.Contains($"Block {parent} would be taken before block {child}", pool.FindFault(new int[3]), StringComparison.Ordinal);
    }
}
