using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed class MachineRatesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task MeasureAsync_Threads_AreRatesOfAMachine(int threads)
    {
        MachineRates rates = await MachineRates.MeasureAsync(threads, null, bytes: 4 << 20, repetitions: 2);

        // A busy machine may be slow, but not slower than the first ones, and no core does this much.
        Assert.InRange(rates.BytesPerSecond, 1e7, threads * 1e12);
        Assert.InRange(rates.OperationsPerSecond, 1e7, threads * 1e12);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task MeasureAsync_CoreThatIsNotThere_ThrowsWithItsNumber(int threads)
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "pins threads on Linux only");
        IOException fault = await Assert.ThrowsAsync<IOException>(
            () => MachineRates.MeasureAsync(threads, [8191, 8191], bytes: 4 << 20, repetitions: 1));
        Assert.Contains("8191", fault.Message, StringComparison.Ordinal);
    }
}
