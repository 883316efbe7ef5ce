using Llama.Grains.Gateway;
using Llama.Grains.Placement;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Silos;
using Llama.Grains.Tests.Links;
using Llama.Grains.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Weights;

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

    [Theory]
    [InlineData(ElementType.F32, 1)]
    [InlineData(ElementType.F16, 2)]
    [InlineData(ElementType.Q8_0, 3.7647)]
    public void Plan_NeedsOfTheDevice_DecideHowManyBlocksFit(ElementType kvType, double times)
    {
        // Heads of 32 numbers: 128 bytes, 64, or 34.
        ClusterSettings settings = Settings(64 << 20, null) with
        {
            Config = TestModel.TinyStories.Config with { ContextLength = 1 << 20 },
            Identity = LinkPair.Identity("gateway", kvType: kvType),
        };
        using Checkpoint checkpoint = TestModel.TinyStories.Open();
        long needed = new CpuDevice(1).Offer(checkpoint, kvType).KvBlockBytes;
        int blocks = new PipelinePlanner(settings).Plan([.. Two.Select(silo => silo with { KvBlockBytes = needed })]).KvBlocks;
        Assert.Equal((64 << 20) / (3.0 * 2 * 16 * 64 * 4) * times, blocks, 1.0);
    }

    /// <summary>A file of four bits an element, on a device that keeps sixteen: what is planned fits there.</summary>
    [Fact]
    public void Plan_WeightsThatTakeMoreOnTheDevice_AreCountedAsThere()
    {
        LayerSpan[] halves = [new LayerSpan(0, 2), new LayerSpan(2, 4)];
        var planner = new PipelinePlanner(Settings(1L << 30, halves) with { ElementBytes = 18.0 / 32 });
        ModelCosts there = ModelCosts.Of(TestModel.Llama3.Config, 2, 0);
        Member[] silos = [.. Two.Select((silo, i) =>
            silo with { WeightElementBytes = 2, MemoryBytes = there.Bytes(halves[i]) + (10 * 2 * BlockBytes) })];
        PipelinePlan plan = planner.Plan(silos);
        Assert.Equal(10, plan.KvBlocks);
        Assert.Equal(there.Bytes(halves[1]), planner.Needs(plan, plan.Stages[1]).Weights);
        Assert.Throws<PlacementException>(() => planner.Plan([.. silos.Select(silo => silo with { MemoryBytes = there.Bytes(halves[0]) / 2 })]));

        // Without a word of it they are as they are stored, and there is more room.
        Assert.InRange(planner.Plan([.. silos.Select(silo => silo with { WeightElementBytes = 0 })]).KvBlocks, 11, int.MaxValue);
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
    public void Plan_RoomForALog_IsKeptByEveryStageButTheLast()
    {
        // Hidden states of 16 positions: 32 numbers of 4 bytes each.
        long log = 100 * 16 * TestModel.Llama3.Config.Dim * 4;
        PipelinePlanner planner = Planner(100 * 2 * BlockBytes, [new LayerSpan(0, 2), new LayerSpan(2, 4)]);
        PipelinePlan plan = planner.Plan([.. Two.Select(silo => silo with { LogMemoryBytes = log })]);
        Assert.Equal(100, plan.KvBlocks);
        Assert.Equal([[2], []], plan.Stages.Select(stage => stage.Logs));
        plan = planner.Plan([.. Two.Select(silo => silo with { LogMemoryBytes = log - 1 })]);
        Assert.Equal([[], []], plan.Stages.Select(stage => stage.Logs));
        long weights = ModelCosts.Of(TestModel.Llama3.Config, 4, 0).Bytes(new LayerSpan(0, 2));
        long kv = 100 * 2 * BlockBytes;
        plan = planner.Plan([Two[0] with { LogMemoryBytes = log, MemoryBytes = weights + kv + log - 1 }, Two[1]]);
        Assert.Equal((100, 0), (plan.KvBlocks, plan.Stages[0].Logs.Count));
    }

    [Theory]
    [InlineData("silo-3", "silo-1", "silo-3")]
    [InlineData("silo-2", "silo-1", "silo-2")]
    public void Repair_OneSiloLost_TheOthersKeepTheirPlacesAndItsOwnNameIsPreferred(string comes, params string[] expected)
    {
        PipelinePlanner planner = Planner(100 * BlockBytes);
        PipelinePlan before = planner.Plan(Two);
        Member[] free = [Members.Make("silo-0"), Two[0], Members.Make(comes) with { Instance = "another" }];
        if (comes == "silo-3") free = free[1..];
        PipelinePlan? plan = planner.Repair(new PreviousPipeline(5, before, 9, []), free, _ => true);
        Assert.NotNull(plan);
        Assert.Equal(expected, plan.Stages.Select(stage => stage.Member.Name));
        Assert.Equal([true, false], plan.Stages.Select(stage => stage.KeepsBlocks));
        Assert.Equal(before.Stages.Select(stage => stage.Span), plan.Stages.Select(stage => stage.Span));
        Assert.Equal((before.KvBlocks, 5ul), (plan.KvBlocks, plan.Inherits?.Lineage));
    }

    [Fact]
    public void Repair_NobodyToTakeThePlaceOrNobodyLeft_IsNoPlan()
    {
        PipelinePlanner planner = Planner(100 * BlockBytes);
        var previous = new PreviousPipeline(5, planner.Plan(Two), 9, []);
        Assert.Null(planner.Repair(previous, [Two[0]], _ => true));
        Assert.Null(planner.Repair(previous, [Two[0], Members.Make("silo-3") with { Profile = "another" }], _ => true));
        Assert.Null(planner.Repair(previous, [Two[0], Members.Make("silo-3") with { MemoryBytes = 1000 }], _ => true));
        Assert.Null(planner.Repair(previous, [Members.Make("silo-3"), Members.Make("silo-4")], _ => true));
        Assert.Null(planner.Repair(previous, Two, _ => false));
    }

    [Fact]
    public void Repair_SiloThatIsNotTrusted_MayTakeItsPlaceButItsBlocksAreLost()
    {
        PipelinePlanner planner = Planner(100 * BlockBytes);
        PipelinePlan? plan = planner.Repair(new PreviousPipeline(5, planner.Plan(Two), 9, []), Two, silo => silo.Name == "silo-1");
        Assert.Equal([("silo-1", true), ("silo-2", false)], plan!.Stages.Select(stage => (stage.Member.Name, stage.KeepsBlocks)));
    }

    [Theory]
    [InlineData(1, "2 2-4 kept 2", "3 0-2")]
    [InlineData(2, "1 0-2 kept 2", "3 2-4")]
    public void Plan_AnotherSiloForALostOne_TakesThePlaceWhereTheOthersKeepTheirLayers(int lost, params string[] expected)
    {
        PipelinePlanner planner = Planner(100 * BlockBytes);
        var previous = new PreviousPipeline(5, planner.Plan(Two), 9, []);
        PipelinePlan plan = planner.Plan([Two[2 - lost], Members.Make("silo-3")], previous, _ => true);
        Assert.Equal(expected.Order(), Stages(plan).Order());
        Assert.Same(previous, plan.Inherits);
    }

    [Fact]
    public void Plan_LayersCutAnew_SilosKeepOrderLayersAndLogsWithin()
    {
        Member[] silos = [.. Enumerable.Range(1, 3).Select(i => Members.Make($"silo-{i}") with { LogMemoryBytes = 1 << 20 })];
        PipelinePlanner planner = Planner(100 * BlockBytes, layers: 6);
        PipelinePlan three = planner.Plan(silos);
        Assert.Equal(["1 0-2 logs 2", "2 2-4 logs 4", "3 4-6"], Stages(three));

        // The middle one is lost: what went into its first layer is in a log that lies within the first one's layers now.
        var previous = new PreviousPipeline(5, three, 9, [2, 4]);
        PipelinePlan two = planner.Plan([silos[0], silos[2]], previous, _ => true);
        Assert.Equal(["1 0-3 logs 2,3 kept 2", "3 3-6 kept 2"], Stages(two));
        Assert.True(two.KvBlocks < three.KvBlocks);

        // One that comes takes its layers in the midst of the others, if that is where most stay.
        PipelinePlan again = planner.Plan([.. silos[1..], silos[0]], new PreviousPipeline(6, two, 9, [2, 3]), _ => true);
        Assert.Equal(["1 0-2 logs 2 kept 2", "2 2-4 logs 4", "3 4-6 kept 2"], Stages(again));

        // Of a silo that is not trusted nothing is kept, and of none there is nothing to go on with.
        Assert.Equal(["3 0-3 logs 3", "1 3-6"], Stages(planner.Plan([silos[2], silos[0]], previous, _ => false)));
        Assert.Null(planner.Plan([silos[2], silos[0]], previous, _ => false).Inherits);
        Assert.Null(planner.Plan([Members.Make("silo-8"), Members.Make("silo-9")], previous, _ => true).Inherits);
    }

    [Fact]
    public void Plan_RoomForOneLog_IsForWhatTheStageSendsOn()
    {
        long log = 100 * 16 * TestModel.Llama3.Config.Dim * 4;
        Member[] silos = [.. Enumerable.Range(1, 3).Select(i => Members.Make($"silo-{i}") with { LogMemoryBytes = (2 * log) - 1 })];
        PipelinePlanner planner = Planner(300 * BlockBytes, layers: 6);
        var previous = new PreviousPipeline(5, planner.Plan(silos), 9, [2, 4]);
        Assert.Equal([[3], []], planner.Plan([silos[0], silos[2]], previous, _ => true).Stages.Select(stage => stage.Logs));
    }

    [Fact]
    public void Plan_SiloWithHalfTheRates_GetsAboutHalfTheLayers()
    {
        PipelinePlan plan = Large().Plan([Silo("silo-1"), Silo("silo-2", 0.5), Silo("silo-3")]);
        Assert.Equal([13, 6, 13], plan.Stages.Select(stage => stage.Span.Count));
        Assert.Equal([1, 0.5, 1], plan.Stages.Select(stage => stage.Rates.BytesPerSecond / Members.Rates.BytesPerSecond));
    }

    [Fact]
    public void Plan_MachinesThatDifferByNoise_AreCutAsEqualOnes()
    {
        var random = new Random(5);
        for (int i = 0; i < 20; i++)
        {
            Member[] silos = [.. Enumerable.Range(1, 4).Select(number => Silo($"silo-{number}", 0.9 + (0.2 * random.NextDouble())))];
            Assert.Equal([8, 8, 8, 8], Large().Plan(silos).Stages.Select(stage => stage.Span.Count));
        }
    }

    [Fact]
    public void Plan_BytesAndOperations_BothCountByTheirTime()
    {
        // A weight of 4 bytes: 0.5 ns to read and 0.04 ns to multiply, or with a tenth of the operations 0.4 ns.
        PipelinePlanner planner = Large();
        Member slow = Silo("silo-2") with { Rates = Members.Rates with { OperationsPerSecond = 5e9 } };
        PipelinePlan plan = planner.Plan([Silo("silo-1"), slow]);
        Assert.Equal([20, 12], plan.Stages.Select(stage => stage.Span.Count));
        var layer = new LayerSpan(0, 1);
        Assert.Equal(0.54 / 0.9, planner.Predict(layer, Members.Rates).DecodeSeconds / planner.Predict(layer, slow.Rates).DecodeSeconds, 1e-9);
        Assert.Equal(0.1, planner.Predict(layer, Members.Rates).PromptTokenSeconds / planner.Predict(layer, slow.Rates).PromptTokenSeconds, 1e-9);
    }

    [Fact]
    public void Improve_StageThatWasSlowerThanItsRates_HasFewerLayersAfterwards()
    {
        PipelinePlanner planner = Large();
        Member[] silos = [Silo("silo-1"), Silo("silo-2")];
        PipelinePlan present = planner.Plan(silos);
        Assert.Equal([16, 16], present.Stages.Select(stage => stage.Span.Count));
        Assert.Null(planner.Improve(Now(present), silos, _ => true, null));
        Assert.Null(planner.Improve(Now(present), silos, _ => true, Seconds(0.010, 0.011)));
        PipelinePlan? plan = planner.Improve(Now(present), silos, _ => true, Seconds(0.010, 0.030));
        Assert.Equal([24, 8], plan!.Stages.Select(stage => stage.Span.Count));
        Assert.True(plan.BySteps);
        Assert.Null(planner.Improve(Now(plan), silos, _ => true, Seconds(0.010, 0.030)));

        // Who was slow may recover.
        Assert.Equal([16, 16], planner.Improve(Now(plan), silos, _ => true, Seconds(0.010, 0.010))!.Stages.Select(stage => stage.Span.Count));

        static PreviousPipeline Now(PipelinePlan plan) => new(5, plan, 9, []);
        static Dictionary<string, double> Seconds(double first, double second) => new() { ["silo-1"] = first, ["silo-2"] = second };
    }

    [Fact]
    public void MostStages_IsAsManyAsLayersOrGivenRanges()
    {
        Assert.Equal(4, Planner(1).MostStages);
        Assert.Equal(1, Planner(1, [new LayerSpan(0, 4)]).MostStages);
    }

    /// <summary>32 layers, next to which the output head is nothing.</summary>
    private static PipelinePlanner Large() => new(Settings(1L << 30, null) with
    {
        Config = TestModel.Llama3.Config with { Layers = 32, VocabSize = 1, ContextLength = 64 },
    });

    private static Member Silo(string name, double times = 1) => Members.Make(name, $"{name}:4000") with
    {
        Rates = new MachineRates(times * Members.Rates.BytesPerSecond, times * Members.Rates.OperationsPerSecond),
    };

    /// <summary>The stages as number of the silo, layers, logs and how many layers were the silo's before.</summary>
    private static IEnumerable<string> Stages(PipelinePlan plan) => plan.Stages.Select(stage =>
    {
        LayerSpan? before = plan.Inherits?.Plan.Stages.FirstOrDefault(old => old.Member.Name == stage.Member.Name)?.Span;
        return $"{stage.Member.Name[5..]} {stage.Span.First}-{stage.Span.End}"
            + (stage.Logs.Count > 0 ? $" logs {string.Join(',', stage.Logs)}" : "")
            + (stage.KeepsBlocks ? $" kept {before!.Value.Common(stage.Span).Count}" : "");
    });

    private static PipelinePlanner Planner(long kvMemory, IReadOnlyList<LayerSpan>? ranges = null, int layers = 4) =>
        new(Settings(kvMemory, ranges, layers));

    private static ClusterSettings Settings(long kvMemory, IReadOnlyList<LayerSpan>? ranges, int layers = 4) => new()
    {
        ModelName = "test",
        Grammars = new Grammars(TestModel.Llama3, []),
        Config = TestModel.Llama3.Config with { Layers = layers },
        ElementBytes = 4,
        Identity = LinkPair.Identity("gateway"),
        KvMemory = kvMemory,
        Ranges = ranges,
    };
}
