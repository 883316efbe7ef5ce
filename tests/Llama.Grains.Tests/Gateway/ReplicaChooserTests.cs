using Llama.Grains.Gateway;

namespace Llama.Grains.Tests.Gateway;

public sealed class ReplicaChooserTests
{
    private readonly ReplicaChooser chooser = new();

    [Fact]
    public void Choose_NothingCached_TakesTheLeastBusyOfThoseThatAreReady() =>
        Assert.Equal(2, chooser.Choose(null, [new(false, 0, 0), new(true, 9, 0), new(true, 3, 0)]));

    [Fact]
    public void Choose_NoneReady_TakesTheFirst() => Assert.Equal(0, chooser.Choose("s", [new(false, 5, 0), new(false, 1, 100)]));

    [Fact]
    public void Choose_PromptCached_TakesTheReplicaWithMostOfItUnlessItIsMuchBusier()
    {
        Assert.Equal(1, chooser.Choose(null, [new(true, 2, 16), new(true, 8, 160)]));
        Assert.Equal(0, chooser.Choose(null, [new(true, 2, 16), new(true, 9, 160)]));
        Assert.Equal(1, chooser.Choose(null, [new(true, 3, 160), new(true, 2, 160)]));
    }

    [Fact]
    public void Choose_Session_StaysWhereItWasUnlessThatIsGoneOrMuchBusier()
    {
        Assert.Equal(1, chooser.Choose("a", [new(true, 1, 0), new(true, 0, 0)]));
        Assert.Equal(1, chooser.Choose("a", [new(true, 0, 160), new(true, 4, 0)]));
        Assert.Equal(0, chooser.Choose("b", [new(true, 0, 160), new(true, 4, 0)]));
        Assert.Equal(0, chooser.Choose("a", [new(true, 0, 0), new(true, 5, 0)]));
        Assert.Equal(0, chooser.Choose("a", [new(true, 3, 0), new(true, 0, 0)]));
        Assert.Equal(1, chooser.Choose("a", [new(false, 0, 0), new(true, 0, 0)]));
    }

    [Fact]
    public void Choose_MoreSessionsThanAreRemembered_ForgetsTheLeastRecentlyUsed()
    {
        Assert.Equal(1, chooser.Choose("first", [new(true, 1, 0), new(true, 0, 0)]));
        Assert.Equal(1, chooser.Choose("second", [new(true, 1, 0), new(true, 0, 0)]));
        for (int i = 0; i < ReplicaChooser.MostSessions - 2; i++) chooser.Choose($"{i}", [new(true, 0, 0), new(true, 1, 0)]);
        Assert.Equal(1, chooser.Choose("first", [new(true, 0, 0), new(true, 1, 0)]));
        chooser.Choose("one more", [new(true, 0, 0), new(true, 1, 0)]);
        Assert.Equal(0, chooser.Choose("second", [new(true, 0, 0), new(true, 1, 0)]));
        Assert.Equal(1, chooser.Choose("first", [new(true, 0, 0), new(true, 1, 0)]));
    }
}
