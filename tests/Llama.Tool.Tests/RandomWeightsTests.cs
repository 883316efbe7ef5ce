using Llama.Model.Weights;

namespace Llama.Tool.Tests;

public class RandomWeightsTests
{
    [Fact]
    public void Fill_SinglePrecision_IsOfTheSizeOfTrainedWeightsAndBothSigns()
    {
        byte[] bytes = new byte[40_000];
        new RandomWeights(1).Fill(ElementType.F32, bytes);
        float[] values = [.. bytes.Chunk(4).Select(word => BitConverter.ToSingle(word))];
        Assert.All(values, value => Assert.InRange(MathF.Abs(value), 1 / 64f, 1 / 32f));
        Assert.InRange(values.Average(), -0.001, 0.001);
    }

    [Fact]
    public void Fill_OddLength_FillsTheLastBytes()
    {
        byte[] bytes = new byte[34];
        new RandomWeights(7).Fill(ElementType.Q8_0, bytes);
        Assert.Equal([0x00, 0x0c], bytes[..2]);
        Assert.NotEqual([0, 0], bytes[^2..]);
    }
}
