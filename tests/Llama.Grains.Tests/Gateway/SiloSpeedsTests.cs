using Llama.Grains.Gateway;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Silos;
using Llama.Model.Kernels;

namespace Llama.Grains.Tests.Gateway;

public sealed class SiloSpeedsTests
{
    [Fact]
    public void Of_RatesThatAreAlike_AreOneForEachThread()
    {
        IReadOnlyDictionary<string, MachineRates> rates = SiloSpeeds.Of(
            [Silo("a", 10, 100), Silo("b", 16, 180, threads: 2), Silo("c", 10, 110), Silo("d", 20, 200)], null, Time);
        double bytes = (10 + 8 + 10) / 3.0;
        Assert.Equal(new MachineRates(bytes, 100), rates["a"]);
        Assert.Equal(new MachineRates(2 * bytes, 200), rates["b"]);
        Assert.Equal(new MachineRates(bytes, 100), rates["c"]);
        Assert.Equal(new MachineRates(20, 200), rates["d"]);
    }

    [Fact]
    public void Of_SilosOfOneMachine_HaveItsMeanRates()
    {
        // One measured while the other did not, which had half of the machine's memory to itself.
        IReadOnlyDictionary<string, MachineRates> rates = SiloSpeeds.Of(
            [Silo("a", 12, 100, host: "m"), Silo("b", 6, 100, host: "m"), Silo("c", 40, 100, threads: 2)], null, Time);
        Assert.Equal([9, 9, 40], rates.Values.Select(rate => rate.BytesPerSecond));
    }

    [Fact]
    public void Of_MeasuredStages_CompareTheSilosAndKeepTheRatesOfAllTogether()
    {
        // It said 20, and takes four times as long as the one that said 10.
        Member[] silos = [Silo("a", 20, 200), Silo("b", 10, 100), Silo("c", 5, 50)];
        IReadOnlyDictionary<string, MachineRates> rates =
            SiloSpeeds.Of(silos, new Dictionary<string, double> { ["a"] = 4, ["b"] = 1 }, Time);
        Assert.Equal(4, rates["b"].BytesPerSecond / rates["a"].BytesPerSecond, 1e-9);
        Assert.Equal(4, rates["b"].OperationsPerSecond / rates["a"].OperationsPerSecond, 1e-9);
        Assert.Equal(200, rates["a"].BytesPerSecond * rates["b"].BytesPerSecond, 1e-9);
    }

    [Fact]
    public void Of_SiloWithoutAStage_KeepsItsRatesBesideMeasuredOnes()
    {
        Member[] silos = [Silo("a", 20, 200), Silo("b", 20, 200), Silo("c", 5, 50)];
        IReadOnlyDictionary<string, MachineRates> rates =
            SiloSpeeds.Of(silos, new Dictionary<string, double> { ["a"] = 7, ["b"] = 7 }, Time);
        Assert.Equal(5, rates["c"].BytesPerSecond, 1e-9);
        Assert.Equal(rates["a"], rates["b"]);
        Assert.Equal(20, rates["a"].BytesPerSecond, 1e-9);
    }

    private static double Time(MachineRates rates) => 1 / rates.BytesPerSecond;

    private static Member Silo(string name, double bytes, double operations, int threads = 1, string? host = null) =>
        Members.Make(name, $"{host ?? name}:4000") with { Threads = threads, Rates = new MachineRates(bytes, operations) };
}
