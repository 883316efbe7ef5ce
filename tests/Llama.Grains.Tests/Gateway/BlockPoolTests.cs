using Llama.Grains.Gateway;

namespace Llama.Grains.Tests.Gateway;

public sealed class BlockPoolTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(16, 1)]
    [InlineData(17, 2)]
    [InlineData(131072, 8192)]
    public void BlocksFor_Positions_RoundsUp(int tokens, int blocks) => Assert.Equal(blocks, BlockPool.BlocksFor(tokens));

    [Fact]
    public void TryTake_MoreThanThereAre_TakesNone()
    {
        var pool = new BlockPool(5);
        var taken = new List<int>();
        Assert.True(pool.TryTake(3, taken));
        Assert.False(pool.TryTake(3, taken));
        Assert.Equal(3, taken.Count);
        Assert.Equal((5, 2), (pool.Count, pool.Free));
    }

    [Fact]
    public void Return_TakenBlocks_CanBeTakenAgainAndNoneIsEverHeldTwice()
    {
        var pool = new BlockPool(50);
        var random = new Random(6);
        var held = new List<List<int>>();
        for (int i = 0; i < 2000; i++)
        {
            if (held.Count > 0 && random.Next(2) == 0)
            {
                int index = random.Next(held.Count);
                pool.Return(held[index]);
                Assert.Empty(held[index]);
                held.RemoveAt(index);
            }
            else
            {
                var taken = new List<int>();
                if (pool.TryTake(random.Next(10), taken)) held.Add(taken);
            }

            List<int> all = [.. held.SelectMany(blocks => blocks)];
            Assert.Equal(all.Count, all.Distinct().Count());
            Assert.All(all, block => Assert.InRange(block, 0, 49));
            Assert.Equal(50, all.Count + pool.Free);
        }
    }
}
