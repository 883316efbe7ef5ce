using Llama.Grains.Stages;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Checkpoints;
using Llama.Model.Weights;

namespace Llama.Grains.Tests.Stages;

public sealed class NumericProfileTests
{
    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.Q8_0)]
    public void Of_Checkpoint_NamesDeviceWeightsAndKvType(ElementType kvType)
    {
        using Checkpoint checkpoint = TestModel.Llama3.Open();
        Assert.Matches($"^cpu-[0-9]+/{checkpoint.WeightName}/{kvType}$", NumericProfile.Of(checkpoint, kvType));
    }
}
