using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class RoundedInputsTests
{
    [Theory]
    [InlineData(32)]
    [InlineData(256)]
    public void Round_AnyNumbers_AreWithinHalfAScaleOfWhatTheyWere(int blockElements)
    {
        var random = new Random(5);
        float[] values = [.. Enumerable.Range(0, 2 * blockElements).Select(_ => (float)Math.ScaleB(random.NextDouble() - 0.5, random.Next(-8, 8)))];
        using RoundedInputs inputs = Round(blockElements, values);
        for (int i = 0; i < values.Length; i++)
        {
            int block = i / blockElements;
            float greatest = values[(block * blockElements)..((block + 1) * blockElements)].Max(MathF.Abs);
            Assert.Equal(greatest / 127, inputs.Scales(0)[block]);
            Assert.InRange(inputs.Bytes(0)[i], -127, 127);
            Assert.Equal(inputs.Bytes(0)[i], ((short*)(inputs.Pairs(0) + (i / 2 * RoundedInputs.GroupTokens)))[i % 2]);
            int quad = (i / 32 * 8) + (i % 16 / 2), place = (i % 32 / 16 * 2) + (i % 2);
            Assert.Equal(inputs.Bytes(0)[i], ((sbyte*)(inputs.Quads(0) + (quad * RoundedInputs.GroupTokens)))[place]);
            Assert.Equal(inputs.Bytes(0)[i], ((sbyte*)(inputs.OwnQuads(0) + quad))[place]);
            Assert.Equal(values[i], inputs.Scales(0)[block] * (double)inputs.Bytes(0)[i], greatest / 127 * 0.50001);
        }

        for (int part = 0; part < values.Length / 32; part++)
        {
            int sum = 0;
            for (int i = 0; i < 32; i++) sum += inputs.Bytes(0)[(part * 32) + i];
            Assert.Equal(sum, inputs.Sums(0)[part]);
        }
    }

    [Fact]
    public void Round_Halves_GoToTheEvenInteger()
    {
        float[] values = new float[32];
        float[] halves = [127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, -127];
        halves.CopyTo(values, 0);
        using RoundedInputs inputs = Round(32, values);
        Assert.Equal([127, 0, 2, 2, 0, -2, -2, -127], new ReadOnlySpan<sbyte>(inputs.Bytes(0), 8).ToArray());
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1e-40f)]
    public void Round_NextToNothing_IsZero(float value)
    {
        using RoundedInputs inputs = Round(32, [.. Enumerable.Repeat(value, 32)]);
        Assert.All(new ReadOnlySpan<sbyte>(inputs.Bytes(0), 32).ToArray(), found => Assert.Equal(0, found));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Round_NotFinite_MakesTheScaleSoAndLeavesBytesInRange(float value)
    {
        float[] values = [.. Enumerable.Repeat(1f, 32)];
        values[17] = value;
        using RoundedInputs inputs = Round(32, values);
        Assert.False(float.IsFinite(inputs.Scales(0)[0]));
        Assert.All(new ReadOnlySpan<sbyte>(inputs.Bytes(0), 32).ToArray(), found => Assert.InRange(found, -127, 127));
    }

    private static RoundedInputs Round(int blockElements, float[] values)
    {
        var inputs = new RoundedInputs(blockElements, 1, values.Length);
        inputs.Reset(values.Length, RoundedInputs.GroupTokens, inPairs: true, inQuads: true);
        fixed (float* source = values) inputs.Round(0, source, 0, values.Length);
        return inputs;
    }
}
