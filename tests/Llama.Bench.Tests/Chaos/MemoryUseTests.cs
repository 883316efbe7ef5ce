using Llama.Bench.Chaos;

namespace Llama.Bench.Tests.Chaos;

public class MemoryUseTests
{
    [Theory]
    [InlineData(300, 100, 144, true)]
    [InlineData(300, 100, 145, false)]
    [InlineData(59, 100, 500, true)]
    public void IsFlat_OfWarmProcesses_IsBounded(int seconds, double warm, double end, bool flat) =>
        Assert.Equal(flat, new MemoryUse("gateway", seconds, warm, end).IsFlat);
}
