using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;
using Llama.Model.Tests.Kernels;
using Llama.Model.Weights;

namespace Llama.Model.Tests.KeyValueCache;

public sealed class KvTypesTests
{
    [Theory]
    [InlineData(48)]
    [InlineData(80)]
    public void Check_HeadsThatAreNotWholeBlocks_NamesTypeSizeAndWhatIsAllowed(int headDim)
    {
        ModelConfig config = RotaryModels.Plain(headDim, 10_000);
        CheckpointException fault = Assert.Throws<CheckpointException>(() => KvTypes.Check(ElementType.Q8_0, config));
        Assert.Equal(
            $"--kv-type: 'q8_0' needs a head size divisible by 32; the model's is {headDim}; expected f32 or f16 or bf16", fault.Message);
    }

    [Theory]
    [InlineData(ElementType.Q8_0, 32)]
    [InlineData(ElementType.Q8_0, 128)]
    [InlineData(ElementType.F16, 6)]
    [InlineData(ElementType.BF16, 6)]
    [InlineData(ElementType.F32, 6)]
    public void Check_HeadsOfWholeBlocks_AreAllowed(ElementType type, int headDim) =>
        KvTypes.Check(type, RotaryModels.Plain(headDim, 10_000));

    [Fact]
    public void Check_TypeThatKeysAndValuesCannotHave_Throws() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => KvTypes.Check(ElementType.Q4_0, RotaryModels.Plain(32, 10_000)));
}
