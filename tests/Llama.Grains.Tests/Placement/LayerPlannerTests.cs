using Llama.Grains.Placement;

namespace Llama.Grains.Tests.Placement;

public sealed class LayerPlannerTests
{
    private static readonly ModelCosts Costs = new()
    {
        Layers = 12,
        LayerBytes = 100,
        HeadBytes = 250,
        EmbeddingBytes = 250,
        KvBytesPerLayer = 10,
    };

    [Fact]
    public void Plan_EqualSilos_TheLastHoldsFewerLayersBecauseOfTheHead() =>
        Assert.Equal([new LayerSpan(0, 7), new LayerSpan(7, 12)], LayerPlanner.Plan(Costs, [Silo(1), Silo(1)]));

    [Fact]
    public void Plan_FasterSilo_HoldsMoreLayers() =>
        Assert.Equal([new LayerSpan(0, 3), new LayerSpan(3, 12)], LayerPlanner.Plan(Costs, [Silo(1), Silo(4)]));

    [Fact]
    public void Plan_OneSilo_HoldsAll() => Assert.Equal([new LayerSpan(0, 12)], LayerPlanner.Plan(Costs, [Silo(1)]));

    [Fact]
    public void Plan_AsManySilosAsLayers_EachHoldsOne() =>
        Assert.Equal(
            Enumerable.Range(0, 12).Select(i => new LayerSpan(i, i + 1)),
            LayerPlanner.Plan(Costs, [.. Enumerable.Repeat(Silo(1), 12)]));

    [Theory]
    [InlineData(0, 3, 3, 7)]
    [InlineData(0, 4, 4, 8)]
    [InlineData(0, 5, 5, 8)]
    public void Plan_CutsThatAreAsFast_TakesTheOneThatLeavesMostLayers(int first, int firstEnd, int second, int secondEnd)
    {
        // The head takes as long as eight layers, so eleven layers may be cut anywhere before the last one, as long as none has more.
        ModelCosts costs = Costs with { HeadBytes = 800 };
        SiloCapacity[] silos =
        [
            Silo(1) with { Has = new LayerSpan(first, firstEnd) }, Silo(1) with { Has = new LayerSpan(second, secondEnd) }, Silo(1),
        ];
        IReadOnlyList<LayerSpan> spans = LayerPlanner.Plan(costs, silos);
        Assert.Equal(new LayerSpan(11, 12), spans[2]);
        Assert.True(spans[0].Common(silos[0].Has) == silos[0].Has && spans[1].Common(silos[1].Has) == silos[1].Has, string.Join(' ', spans));
    }

    [Fact]
    public void Plan_LittleMemory_LimitsTheRange()
    {
        // Two layers and the embedding fit the first silo, whatever its speed.
        IReadOnlyList<LayerSpan> spans = LayerPlanner.Plan(Costs, [Silo(100, 250 + (2 * 110) + 109), Silo(1)]);
        Assert.Equal([new LayerSpan(0, 2), new LayerSpan(2, 12)], spans);
    }

    [Fact]
    public void Plan_RandomModelsAndSilos_EqualsTheBestOfAllCuts()
    {
        var random = new Random(9);
        int fits = 0;
        for (int i = 0; i < 1500; i++)
        {
            int layers = random.Next(1, 10);
            var costs = new ModelCosts
            {
                Layers = layers,
                LayerBytes = random.Next(1, 100),
                HeadBytes = random.Next(200),
                EmbeddingBytes = random.Next(200),
                KvBytesPerLayer = random.Next(30),
            };
            SiloCapacity[] silos =
            [
                .. Enumerable.Range(0, random.Next(1, layers + 1))
                    .Select(_ => Silo(random.Next(1, 5), random.Next(2) == 0 ? 1 << 20 : random.Next(50, 600))),
            ];
            List<LayerSpan[]> cuts =
                [.. Cuts(layers, silos.Length).Where(cut => cut.Zip(silos).All(p => costs.Bytes(p.First) <= p.Second.MemoryBytes))];
            if (cuts.Count == 0)
            {
                Assert.Throws<PlacementException>(() => LayerPlanner.Plan(costs, silos));
                continue;
            }

            fits++;
            double bottleneck = cuts.Min(cut => Times(costs, cut, silos).Max());
            double evenness = cuts.Where(cut => Times(costs, cut, silos).Max() <= bottleneck * (1 + 1e-9))
                .Min(cut => Times(costs, cut, silos).Sum(time => time * time));
            LayerSpan[] plan = [.. LayerPlanner.Plan(costs, silos)];
            Assert.Contains(cuts, cut => cut.SequenceEqual(plan));
            Assert.Equal(bottleneck, Times(costs, plan, silos).Max(), 1e-6);
            Assert.Equal(evenness, Times(costs, plan, silos).Sum(time => time * time), evenness * 1e-9);
        }

        Assert.InRange(fits, 300, 1400);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(13)]
    public void Plan_NoSilosOrMoreThanLayers_ThrowsWithBothNumbers(int silos)
    {
        PlacementException fault =
            Assert.Throws<PlacementException>(() => LayerPlanner.Plan(Costs, [.. Enumerable.Repeat(Silo(1), silos)]));
        Assert.Equal($"12 layers cannot be cut into {silos} ranges.", fault.Message);
    }

    [Fact]
    public void Plan_TooLittleMemoryInAll_SaysWhatIsNeededAndWhatIsThere()
    {
        ModelCosts large = Costs with { LayerBytes = 400L << 20, HeadBytes = 100L << 20, EmbeddingBytes = 100L << 20, KvBytesPerLayer = 0 };
        PlacementException fault =
            Assert.Throws<PlacementException>(() => LayerPlanner.Plan(large, [Silo(1, 2000L << 20), Silo(1, 1000L << 20)]));
        Assert.Equal(
            "The model needs 5,000 MiB with its KV cache; 2 silos offer 3,000 MiB: 2,000 MiB more are needed.", fault.Message);
        Assert.Equal((5000L << 20, 3000L << 20), (fault.NeededBytes, fault.OfferedBytes));
    }

    [Fact]
    public void Plan_EnoughMemoryInAllButNotWhereItIsNeeded_SaysSo()
    {
        PlacementException fault =
            Assert.Throws<PlacementException>(() => LayerPlanner.Plan(Costs, [Silo(1, long.MaxValue), Silo(1, 300)]));
        Assert.Contains("no cut of the layers fits each of them", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Plan_MostLayersOfAnyReleasedModelOverManySilos_IsInstant()
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(60, LayerPlanner.Plan(Costs with { Layers = 126 }, [.. Enumerable.Repeat(Silo(1), 60)]).Count);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    private static SiloCapacity Silo(double speed, long memory = 1 << 20) => new(speed, memory);

    private static IEnumerable<double> Times(ModelCosts costs, LayerSpan[] cut, SiloCapacity[] silos) =>
        cut.Zip(silos).Select(pair => costs.Time(pair.First) / pair.Second.Speed);

    private static IEnumerable<LayerSpan[]> Cuts(int layers, int ranges)
    {
        for (int mask = 0; mask < 1 << (layers - 1); mask++)
        {
            if (int.PopCount(mask) != ranges - 1) continue;
            int[] ends = [.. Enumerable.Range(1, layers - 1).Where(i => ((mask >> (i - 1)) & 1) == 1), layers];
            yield return [.. ends.Select((end, i) => new LayerSpan(i == 0 ? 0 : ends[i - 1], end))];
        }
    }
}
