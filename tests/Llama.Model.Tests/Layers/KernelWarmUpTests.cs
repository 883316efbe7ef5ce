using System.Runtime;
using Llama.Model.Layers;
using Llama.Model.Tests.Kernels;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Layers;

public sealed class KernelWarmUpTests
{
    /// <summary>Whatever a type's kernels are, they were compiled the first time.</summary>
    [Fact]
    public void Run_Again_CompilesNothing()
    {
        ModelConfig config = RotaryModels.Plain(64, 10_000) with { Heads = 2, KvHeads = 1 };
        KernelWarmUp.Run(Enum.GetValues<ElementType>(), config, ElementType.F32);

        long before = JitInfo.GetCompiledMethodCount(currentThread: true);
        KernelWarmUp.Run(Enum.GetValues<ElementType>(), config, ElementType.F32);

        Assert.Equal(before, JitInfo.GetCompiledMethodCount(currentThread: true));
    }
}
