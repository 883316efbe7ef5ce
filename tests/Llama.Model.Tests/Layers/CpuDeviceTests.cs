using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

public sealed class CpuDeviceTests
{
    [Theory]
    [InlineData(ElementType.F32, 4)]
    [InlineData(ElementType.F16, 2)]
    public void Offer_Checkpoint_TellsProfileAndMemory(ElementType kvType, int bytes)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Path.Combine(TestPaths.Fixtures, "llama-3", "hf"), new CheckpointOptions());
        DeviceOffer offer = new CpuDevice(3).Offer(checkpoint, kvType);
        Assert.Matches($"^cpu-[0-9]+/{checkpoint.WeightName}/{kvType}$", offer.Profile);
        Assert.Equal((3, 2L * 16 * checkpoint.Config.KvDim * bytes), (offer.Threads, offer.KvBlockBytes));
        Assert.Equal(16L * checkpoint.Config.Dim * sizeof(float), offer.LogBlockBytes);
        Assert.Equal(2, offer.WeightElementBytes);
        Assert.False(offer.RepeatsShapes);
        Assert.True(offer.ActivationBytes > 0 && offer.MemoryBytes > 0);
    }
}
