using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class ElementwiseTests
{
    [Fact]
    public void SiluMultiply_AnySlice_HasTheBitsOfTheWhole()
    {
        var random = new Random(1);
        float[] gate = [.. Enumerable.Range(0, 64).Select(_ => (float)((random.NextDouble() * 20) - 10))];
        float[] up = [.. Enumerable.Range(0, 64).Select(_ => (float)((random.NextDouble() * 4) - 2))];
        float[] whole = [.. gate];
        fixed (float* g = whole, u = up) Elementwise.SiluMultiply(g, u, 64);
        foreach (int cut in (int[])[1, 4, 12, 20, 63])
        {
            float[] sliced = [.. gate];
            fixed (float* g = sliced, u = up)
            {
                Elementwise.SiluMultiply(g, u, cut);
                Elementwise.SiluMultiply(g + cut, u + cut, 64 - cut);
            }

            Assert.Equal(whole, sliced);
        }
    }
    [Fact]
    public void SiluMultiply_NumbersOfAllMagnitudes_AreTheFormula()
    {
        float[] gate = [-1e30f, -200, -88.72f, -20, -1, -1e-6f, 0, 1e-6f, 0.5f, 3, 20, 200, 1e30f];
        float[] result = [.. gate];
        float[] up = [.. Enumerable.Repeat(-1.5f, gate.Length)];
        fixed (float* g = result, u = up) Elementwise.SiluMultiply(g, u, gate.Length);
        for (int i = 0; i < gate.Length; i++)
        {
            double expected = gate[i] / (1 + Math.Exp(-gate[i])) * -1.5;

            // Below -88.7 e^-gate is clamped: what should be 1e-37 and less is still nothing, in whatever direction.
            Assert.Equal(expected, result[i], gate[i] < -88.7f ? 1e-8 * -gate[i] : Math.Abs(expected) * 3e-7);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(13)]
    [InlineData(4096)]
    public void RmsNorm_AnyWidth_IsTheFormula(int count)
    {
        float[] source = Numbers(count, 1);
        float[] weights = Numbers(count, 2);
        float[] target = [.. Enumerable.Repeat(7f, count + 1)];
        fixed (float* s = source, w = weights, t = target) Elementwise.RmsNorm(s, w, 1e-5f, t, count);

        double scale = 1 / Math.Sqrt(source.Average(x => (double)x * x) + 1e-5f);
        for (int i = 0; i < count; i++)
        {
            double expected = source[i] * scale * weights[i];
            Assert.Equal(expected, target[i], Math.Abs(expected) * 1e-6);
        }

        Assert.Equal(7, target[count]);
    }

    [Fact]
    public void RmsNorm_Zeros_AreZeros()
    {
        float[] source = new float[24];
        float[] weights = Numbers(24, 1);
        fixed (float* s = source, w = weights) Elementwise.RmsNorm(s, w, 1e-6f, s, 24);
        Assert.All(source, x => Assert.Equal(0, x));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(23)]
    public void Add_AnyCount_AddsThatManyAndNoMore(int count)
    {
        float[] target = Numbers(count + 1, 3);
        float[] source = Numbers(count + 1, 4);
        float[] expected = [.. target.Select((t, i) => i < count ? t + source[i] : t)];
        fixed (float* t = target, s = source) Elementwise.Add(t, s, count);
        Assert.Equal(expected, target);
    }

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];
    }
}
