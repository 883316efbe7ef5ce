using System.Runtime.Intrinsics.X86;
using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

/// <summary>The choice is the process's: the other tests that run meanwhile compute the same bits with any.</summary>
public sealed class InstructionsTests : IDisposable
{
    [Fact]
    public async Task Choose_EveryName_IsWhatKernelsUseAndRatesAreMeasuredWith()
    {
        foreach (string name in Instructions.Names)
        {
            Instructions.Choose(name);
            MachineRates rates = await MachineRates.MeasureAsync(1, null, bytes: 4 << 20, repetitions: 1);
            Assert.Equal(Instructions.Chosen, rates.Instructions);
            if (name == "avx512") Assert.Equal("avx512", Instructions.Chosen);
            if (name == "avx2") Assert.NotEqual("avx512", Instructions.Chosen);
        }
    }

    [Fact]
    public void Names_Processor_HaveWideOnesOnlyWhereItHas() =>
        Assert.Equal(Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512F.VL.IsSupported, Instructions.Names.Contains("avx512"));

    [Theory]
    [InlineData("sse")]
    [InlineData("")]
    [InlineData("AVX2")]
    public void Choose_AnotherName_Throws(string name) => Assert.Throws<ArgumentException>(() => Instructions.Choose(name));

    public void Dispose() => Instructions.Choose("auto");
}
