using Llama.Grains.Directory;
using Llama.Grains.Gateway;
using Llama.Grains.Placement;
using Llama.Grains.Tests.Directory;
using Llama.Grains.Tests.Links;

namespace Llama.Grains.Tests.Gateway;

public sealed class PipelinePlannerTests
{
    // Keys and values of 16 positions of one layer of TestModel.Llama3: 2 × 16 × 4 heads × 8 numbers of 4 bytes.
    private const long BlockBytes = 4096;

    private static readonly Member[] Two = [Members.Make("silo-1"), Members.Make("silo-2")];

    [Fact]
    public void Plan_KvMemory_BoundsTheBlocksByTheStageWithMostLayers()
    {
        PipelinePlan plan = Planner(100 * BlockBytes, [new LayerSpan(0, 1), new LayerSpan(1, 4)]).Plan(Two);
        Assert.Equal([("silo-1", new LayerSpan(0, 1)), ("silo-2", new LayerSpan(1, 4))], plan.Stages.Select(s => (s.Member.Name, s.Span)));
        Assert.Equal(33, plan.KvBlocks);
    }

    [Fact]
    public void Plan_PlentyOfMemory_StopsAtSixtyFourFullSequences()
    {
        PipelinePlan plan = Planner(1L << 40).Plan([.. Two.Select(silo => silo with { MemoryBytes = 1L << 40 })]);
        Assert.Equal(64 * 8192 / 16, plan.KvBlocks);
    }

    [Fact]
    public void Plan_SiloWithLittleMemory_BoundsTheBlocksOfAll()
    {
        PipelinePlanner planner = Planner(1L << 30, [new LayerSpan(0, 2), new LayerSpan(2, 4)]);
        ModelCosts costs = ModelCosts.Of(TestModel.Llama3.Config, 4, 0);
        PipelinePlan plan = planner.Plan([Two[0] with { MemoryBytes = costs.Bytes(new LayerSpan(0, 2)) + (10 * 2 * BlockBytes) }, Two[1]]);
        Assert.Equal(10, plan.KvBlocks);
    }

    [Fact]
    public void Plan_NoRoomForASingleBlock_NamesSiloLayersAndNumbers()
    {
        PipelinePlanner planner = Planner(1L << 30, [new LayerSpan(0, 2), new LayerSpan(2, 4)]);
        PlacementException fault = Assert.Throws<PlacementException>(() => planner.Plan([Two[0], Two[1] with { MemoryBytes = 1000 }]));
        Assert.Contains("silo-2 has no room for KV: layers 2 to 3", fault.Message, StringComparison.Ordinal);
        Assert.Contains("of 1000 bytes", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Plan_OtherThanTheGivenNumberOfRanges_SaysBoth()
    {
        PipelinePlanner planner = Planner(1L << 30, [new LayerSpan(0, 4)]);
        PlacementException fault = Assert.Throws<PlacementException>(() => planner.Plan(Two));
        Assert.Equal("--ranges names 1 ranges; 2 silos are there.", fault.Message);
    }

    [Fact]
    public void MostStages_IsAsManyAsLayersOrGivenRanges()
    {
        Assert.Equal(4, Planner(1).MostStages);
        Assert.Equal(1, Planner(1, [new LayerSpan(0, 4)]).MostStages);
    }

    private static PipelinePlanner Planner(long kvMemory, IReadOnlyList<LayerSpan>? ranges = null) => new(new ClusterSettings
    {
        ModelName = "test",
        Config = TestModel.Llama3.Config,
        ElementBytes = 4,
        Identity = LinkPair.Identity("gateway"),
        KvMemory = kvMemory,
        Ranges = ranges,
    });
}
