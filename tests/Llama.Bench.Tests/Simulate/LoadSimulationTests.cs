using Llama.Bench.Simulate;

namespace Llama.Bench.Tests.Simulate;

public sealed class LoadSimulationTests
{
    private static readonly SimulateOptions Options = new() { Requests = 150 };

    [Fact]
    public void Run_OneClient_GetsATokenForEachPassThroughAllStages()
    {
        LoadResult result = LoadSimulation.Run(Options, stages: 4, clients: 1);

        // 100 ms of weights, 2 ms of the token, 5 links of 0.1 ms.
        Assert.Equal(0.1025, result.TokenSeconds, 1e-6);
        Assert.InRange(result.Busy, 0.2, 0.3);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(64)]
    public void Run_ManyClients_StagesAreBusyAndThePoolIsUsed(int stages)
    {
        LoadResult result = LoadSimulation.Run(Options with { Blocks = 128 }, stages, clients: 16 * stages);
        Assert.InRange(result.Busy, 0.85, 1);
        Assert.NotNull(result.Wasted);
        Assert.InRange(result.Wasted.Value, 0, 0.04);
    }

    [Fact]
    public void Run_MoreStages_GiveMoreTokens()
    {
        double[] throughput =
            [.. ((int[])[1, 2, 4, 8]).Select(stages => LoadSimulation.Run(Options, stages, clients: 200).TokensPerSecond)];
        for (int i = 1; i < throughput.Length; i++) Assert.InRange(throughput[i] / throughput[i - 1], 1.6, 2.2);
    }

    [Fact]
    public void Run_SameSeed_IsTheSame() => Assert.Equal(LoadSimulation.Run(Options, 3, 20), LoadSimulation.Run(Options, 3, 20));
}
