using System.Runtime.Intrinsics;
using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class LanesTests
{
    [Fact]
    public void Sum_AnyLanes_AddsThemInTheCanonicalTree()
    {
        var random = new Random(1);
        for (int round = 0; round < 1000; round++)
        {
            float[] v = [.. Enumerable.Range(0, 8).Select(_ => (float)Math.ScaleB(random.NextDouble() - 0.5, random.Next(40)))];
            float expected = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
            Assert.Equal(expected, Lanes.Sum(Vector256.Create<float>(v)));
        }
    }

    [Fact]
    public void Dot_EveryCount_AddsFusedProductsInCanonicalLanes()
    {
        for (int count = 0; count <= 100; count++)
        {
            float[] a = Numbers(count, 2 * count);
            float[] b = Numbers(count, (2 * count) + 1);
            float[] lanes = new float[8];
            for (int i = 0; i < count; i++) lanes[i % 8] = MathF.FusedMultiplyAdd(a[i], b[i], lanes[i % 8]);
            float expected = Lanes.Sum(Vector256.Create<float>(lanes));
            fixed (float* x = a, y = b) Assert.Equal(expected, Lanes.Dot(x, y, count));
        }
    }

    [Fact]
    public void AddScaled_EveryCount_RoundsEveryElementOnceAndWritesNothingElse()
    {
        for (int count = 0; count <= 40; count++)
        {
            float[] source = Numbers(count, count);
            float[] target = Numbers(count + 8, count + 100);
            float[] expected = [.. target.Select((t, i) => i < count ? MathF.FusedMultiplyAdd(0.3f, source[i], t) : t)];
            fixed (float* s = source, t = target) Lanes.AddScaled(t, s, 0.3f, count);
            Assert.Equal(expected, target);
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 8)]
    [InlineData(8, 8)]
    [InlineData(53_249, 53_256)]
    public void Pad_AnyNumber_RoundsUpToWholeVectors(int n, int expected) => Assert.Equal(expected, Lanes.Pad(n));

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }
}
