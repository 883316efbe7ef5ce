using Llama.Grains.Placement;

namespace Llama.Grains.Tests.Placement;

public sealed class PipelineOrderTests
{
    private static readonly ModelCosts Costs = new()
    {
        Layers = 12,
        LayerBytes = 100,
        HeadBytes = 50,
        EmbeddingBytes = 50,
        KvBytesPerLayer = 10,
    };

    [Fact]
    public void Of_AllNew_IsTheGivenOrder() => Assert.Equal([0, 1, 2], PipelineOrder.Of(Costs, [Silo(), Silo(), Silo()]));

    [Fact]
    public void Of_SilosThatHaveLayers_KeepTheOrderOfTheseHoweverTheyAreGiven() =>
        Assert.Equal([2, 0, 1], PipelineOrder.Of(Costs, [Silo(4, 8), Silo(8, 12), Silo(0, 4)]));

    // Four layers move into the middle; to either end, six.
    [Fact]
    public void Of_OneThatComes_TakesThePlaceWhereFewestLayersMove() =>
        Assert.Equal([1, 0, 2], PipelineOrder.Of(Costs, [Silo(), Silo(0, 6), Silo(6, 12)]));

    [Fact]
    public void Of_TwoInTheirPlaces_EachTakesWhatIsLeft() =>
        Assert.Equal([1, 0, 2, 3], PipelineOrder.Of(Costs, [Silo(3, 6), Silo(), Silo(), Silo(9, 12)]));

    [Fact]
    public void Of_PlaceThatDoesNotFit_IsNotTaken()
    {
        // Six layers fit, and the head, but not the embedding.
        ModelCosts costs = Costs with { EmbeddingBytes = 100 };
        SiloCapacity small = Silo() with { MemoryBytes = (6 * 110) + 50 };
        Assert.Equal([0, 1], PipelineOrder.Of(costs, [Silo(), Silo(0, 12)]));
        Assert.Equal([1, 0], PipelineOrder.Of(costs, [small, Silo(0, 12)]));

        // Whether anything fits is for the planner to say.
        Assert.Equal(2, PipelineOrder.Of(costs, [small, small with { Has = new LayerSpan(0, 12) }]).Count);
    }

    private static SiloCapacity Silo(int first = 0, int end = 0) => new(1, 1 << 20, new LayerSpan(first, end));
}
